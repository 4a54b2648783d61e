// ring.go - a number walks round a ring of SIZE goroutines until it made HOPS steps.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func member(mailbox, next chan int, home chan bool) {
	for n := range mailbox {
		if n == 0 {
			home <- true
		} else {
			next <- n - 1
		}
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	size, hops := number(os.Args[1]), number(os.Args[2])
	start := time.Now()
	home := make(chan bool)
	first := make(chan int, 1)
	next := first
	for i := 1; i < size; i++ {
		mailbox := make(chan int, 1)
		go member(mailbox, next, home)
		next = mailbox
	}
	go member(first, next, home)
	first <- hops
	<-home
	fmt.Printf("ring %d %.6f\n", hops, time.Since(start).Seconds())
}
