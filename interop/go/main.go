// Command nats-interop-go exercises a NATS server with nats.go.
//
// It runs the named checks of ../runner/checks.py in order and prints one line
// for each: `ok go <check>` or `FAIL go <check>: why`. Addresses and secrets
// come from INTEROP_* variables; see ../README.md. With a role as its argument
// it takes part in ../orders.py, ../callout.py or ../hierarchy.py instead.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// wait bounds everything a check waits for.
	wait = 8 * time.Second
	// checkDeadline bounds a whole check, whatever it hangs on.
	checkDeadline = 30 * time.Second
)

type check struct {
	name string
	run  func() error
}

func main() {
	if len(os.Args) > 1 {
		play := func() error { return playOrders(os.Args[1]) }
		if os.Args[1] == "callout" && len(os.Args) == 4 {
			play = func() error { return playCallout(os.Args[2], os.Args[3]) }
		}
		if os.Args[1] == "hierarchy" && len(os.Args) == 3 {
			play = func() error { return playHierarchy(os.Args[2]) }
		}
		if err := play(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var checks []check
	checks = append(checks, coreChecks...)
	checks = append(checks, lifecycleChecks...)
	checks = append(checks, authChecks...)
	checks = append(checks, permissionChecks...)
	checks = append(checks, tlsChecks...)
	checks = append(checks, jetstreamChecks...)
	checks = append(checks, consumerChecks...)
	checks = append(checks, storeChecks...)
	failed := 0
	for _, c := range checks {
		if err := bounded(c.run); err != nil {
			failed++
			fmt.Printf("FAIL go %s: %s\n", c.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("ok go %s\n", c.name)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// bounded runs a check, turning a hang or a panic into an error.
func bounded(run func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- run()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(checkDeadline):
		return fmt.Errorf("not finished within %s", checkDeadline)
	}
}

// env is the value of INTEROP_<name>; the runner sets them all.
func env(name string) string {
	value, ok := os.LookupEnv("INTEROP_" + name)
	if !ok {
		panic("INTEROP_" + name + " is not set; start this program through run.py")
	}
	return value
}

func cert(file string) string { return filepath.Join(env("CERTS"), file) }

// connect opens a connection that does not reconnect unless an option says so.
func connect(url string, options ...nats.Option) (*nats.Conn, error) {
	defaults := []nats.Option{nats.Timeout(wait), nats.NoReconnect(), nats.Name("interop-go")}
	return nats.Connect(url, append(defaults, options...)...)
}

// with runs body on a fresh connection to the plain server.
func with(body func(nc *nats.Conn) error) error {
	nc, err := connect(env("PLAIN_URL"))
	if err != nil {
		return err
	}
	defer nc.Close()
	return body(nc)
}

// received collects the payloads of the next n messages.
func received(sub *nats.Subscription, n int) ([]string, error) {
	var got []string
	for range n {
		msg, err := sub.NextMsg(wait)
		if err != nil {
			return got, fmt.Errorf("after %d of %d messages: %w", len(got), n, err)
		}
		got = append(got, string(msg.Data))
	}
	return got, nil
}

// nothingMore fails if sub has a message left. The flush puts everything the
// server has sent before its PONG in front of us, so no time has to pass.
func nothingMore(nc *nats.Conn, sub *nats.Subscription) error {
	if err := nc.FlushTimeout(wait); err != nil {
		return err
	}
	if msg, err := sub.NextMsg(time.Millisecond); err == nil {
		return fmt.Errorf("unexpected message on %s: %q", msg.Subject, msg.Data)
	}
	return nil
}

// await takes one value from a channel within the deadline.
func await[T any](what string, values <-chan T) (T, error) {
	select {
	case value := <-values:
		return value, nil
	case <-time.After(wait):
		var none T
		return none, fmt.Errorf("no %s within %s", what, wait)
	}
}

func expect[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

var answers = bufio.NewReader(os.Stdin)

// control asks the runner to do something to this program's own server.
func control(verb string) error {
	fmt.Printf("CONTROL %s\n", verb)
	answer, err := answers.ReadString('\n')
	if err != nil {
		return err
	}
	return expect("answer to CONTROL "+verb, strings.TrimSpace(answer), "done")
}
