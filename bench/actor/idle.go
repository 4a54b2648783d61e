// idle.go - what a goroutine costs that waits for a message and keeps a number.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func resident() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	fields := strings.Fields(string(text)[strings.Index(string(text), "VmRSS:"):])
	kilobytes, err := strconv.Atoi(fields[1])
	if err != nil {
		panic(err)
	}
	return kilobytes * 1024
}

func waiter(mailbox chan int, parent chan int) {
	sum := 41
	parent <- 1
	for n := range mailbox {
		sum += n
		parent <- sum
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	time.Sleep(200 * time.Millisecond)
	before := resident()
	fmt.Printf("idle-before %d\n", before)
	time.Sleep(200 * time.Millisecond)
	parent := make(chan int, 1000)
	var last chan int
	for made := 0; made < count; {
		group := 1000
		if group > count-made {
			group = count - made
		}
		for i := 0; i < group; i++ {
			last = make(chan int)
			go waiter(last, parent)
		}
		for i := 0; i < group; i++ {
			<-parent
		}
		made += group
	}
	time.Sleep(time.Second)
	fmt.Printf("idle %d %.1f\n", count, float64(resident()-before)/float64(count))
	last <- 1
	if <-parent != 42 {
		panic("the last goroutine did not answer")
	}
	time.Sleep(300 * time.Millisecond)
}
