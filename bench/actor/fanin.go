// fanin.go - SENDERS goroutines send MESSAGES numbers each to one, which adds.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	senders, count := number(os.Args[1]), number(os.Args[2])
	start := time.Now()
	mailbox := make(chan int, 1024)
	for i := 0; i < senders; i++ {
		go func() {
			for n := 1; n <= count; n++ {
				mailbox <- n
			}
		}()
	}
	sum := 0
	for i := 0; i < senders*count; i++ {
		sum += <-mailbox
	}
	fmt.Printf("fanin %d %.6f\n", sum, time.Since(start).Seconds())
}
