// timer.go - how late a goroutine wakes from sleeps of MS ms while BUSY others loop.
package main

import (
	"fmt"
	"os"
	"sort"
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

func loopForEver() {
	n := 0
	for {
		n = (n + 1) & 65535
	}
}

func main() {
	busy, count := number(os.Args[1]), number(os.Args[2])
	pause := time.Duration(number(os.Args[3])) * time.Millisecond
	for i := 0; i < busy; i++ {
		go loopForEver()
	}
	time.Sleep(100 * time.Millisecond)
	late := make([]int, count)
	for i := range late {
		began := time.Now()
		time.Sleep(pause)
		late[i] = int((time.Since(began) - pause).Microseconds())
	}
	sort.Ints(late)
	fmt.Printf("timer %d %d %d %d\n", count, late[(count+1)/2-1], late[(count*99+99)/100-1],
		late[count-1])
}
