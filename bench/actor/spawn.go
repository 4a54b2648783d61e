// spawn.go - creates COUNT goroutines and joins them by one message from each.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	start := time.Now()
	done := make(chan int, 1024)
	go func() {
		for i := 1; i <= count; i++ {
			go func(i int) { done <- i }(i)
		}
	}()
	sum := 0
	for i := 0; i < count; i++ {
		sum += <-done
	}
	fmt.Printf("spawn %d %.6f\n", sum, time.Since(start).Seconds())
}
