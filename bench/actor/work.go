// work.go - messages go round PROCESSES goroutines; each means some work.
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

func do(sum int) int {
	for i := 1; i <= 600; i++ {
		sum = (sum + i) & 65535
	}
	return sum
}

func server(count int, mailbox, home chan int) {
	sum := 0
	for ; count > 0; count-- {
		sum += do(<-mailbox)
	}
	home <- sum
}

func main() {
	processes, count := number(os.Args[1]), number(os.Args[2])
	start := time.Now()
	home := make(chan int)
	servers := make([]chan int, processes)
	for i := range servers {
		servers[i] = make(chan int, 1024)
		go server(count/processes, servers[i], home)
	}
	for n := 1; n <= count/processes; n++ {
		for _, mailbox := range servers {
			mailbox <- n
		}
	}
	sum := 0
	for range servers {
		sum += <-home
	}
	fmt.Printf("work %d %.6f\n", sum, time.Since(start).Seconds())
}
