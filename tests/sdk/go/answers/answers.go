// Package answers is the line protocol of answers.py, for the probes that are written in Go.
package answers

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Question is what one word on standard input stands for.
type Question func(context.Context) (string, error)

// Serve answers until standard input ends.
func Serve(questions map[string]Question) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := ask(questions, strings.TrimSpace(lines.Text()))
		if err != nil {
			fmt.Println("error", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", answer)
		}
	}
}

func ask(questions map[string]Question, word string) (string, error) {
	question, known := questions[word]
	if !known {
		return "", fmt.Errorf("no answer to %s", word)
	}
	bounded, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return question(bounded)
}
