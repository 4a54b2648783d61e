// pingpong.go - two goroutines send a number back and forth, COUNT round trips.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

type message struct {
	sender chan int
	value  int
}

func pong(mailbox chan message) {
	for m := range mailbox {
		m.sender <- m.value + 1
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	start := time.Now()
	other, me := make(chan message, 1), make(chan int, 1)
	go pong(other)
	n := 0
	for i := 0; i < count; i++ {
		other <- message{me, n}
		n = <-me
	}
	close(other)
	fmt.Printf("pingpong %d %.6f\n", n, time.Since(start).Seconds())
}
