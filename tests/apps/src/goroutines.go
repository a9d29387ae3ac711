// SPDX-License-Identifier: GPL-2.0-or-later

// Go: goroutines and channels, a mutex, time limits and much garbage on its own scheduler, which interrupts threads by signals.
// Each round must have the same result, until the file "stop" is there.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

const workers = 4

type piece struct {
	n    int
	made [32]byte
}

func work(n int) [32]byte {
	h := sha256.Sum256([]byte(fmt.Sprint(n)))
	words := map[string]int{}
	for i := 0; i < 300; i++ {
		h = sha256.Sum256(append(h[:], byte(i)))
		words[fmt.Sprintf("w%d", h[0]%50)] += i
	}
	for i := 0; i < 50; i++ {
		h = sha256.Sum256(append(h[:], byte(words[fmt.Sprintf("w%d", i)])))
	}
	return h
}

func round() (string, error) {
	todo, done := make(chan int, 8), make(chan piece)
	var group sync.WaitGroup
	var lock sync.Mutex
	counted := 0
	for w := 0; w < workers; w++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range todo {
				made := work(n)
				lock.Lock()
				counted++
				lock.Unlock()
				done <- piece{n, made}
			}
		}()
	}
	go func() {
		for n := 0; n < 400; n++ {
			todo <- n
		}
		close(todo)
		group.Wait()
		close(done)
	}()
	var all [400][32]byte
	for {
		select {
		case p, more := <-done:
			if more {
				all[p.n] = p.made
				continue
			}
			var flat []byte
			for _, h := range all {
				flat = append(flat, h[:]...)
			}
			return fmt.Sprintf("%d %x", counted, sha256.Sum256(flat)), nil
		case <-time.After(60 * time.Second):
			return "", fmt.Errorf("60 s without a result")
		}
	}
}

func main() {
	runtime.GOMAXPROCS(workers)
	first := ""
	for rounds := 0; ; rounds++ {
		again, err := round()
		if err == nil && first != "" && again != first {
			err = fmt.Errorf("round %d: %s instead of %s", rounds, again, first)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		first = again
		if _, err := os.Stat("stop"); err == nil && rounds >= 2 {
			break
		}
	}
	fmt.Println(workers, "threads", first)
	os.Exit(7)
}
