// skynet.go - a tree of goroutines with ten children each and COUNT leaves that send their
// numbers up; every inner goroutine sends the sum of its children.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func node(parent chan int, number, size int) {
	if size == 1 {
		parent <- number
		return
	}
	children := make(chan int)
	step := size / 10
	for i := 0; i < 10; i++ {
		go node(children, number+i*step, step)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-children
	}
	parent <- sum
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	start := time.Now()
	result := make(chan int)
	go node(result, 0, count)
	sum := <-result
	fmt.Printf("skynet %d %.6f\n", sum, time.Since(start).Seconds())
}
