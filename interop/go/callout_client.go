package main

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// tryCallout tries to get in as several people, and prints one line per check.
func tryCallout(mode string) error {
	failed := 0
	for _, c := range []check{
		{"callout_allowed", func() error { return calloutAllowed(mode) }},
		{"callout_refused", func() error { return calloutRefused(mode) }},
		{"callout_accounts", func() error { return calloutAccounts(mode) }},
		{"callout_expiry", func() error { return calloutExpiry(mode) }},
	} {
		if err := bounded(c.run); err != nil {
			failed++
			fmt.Printf("FAIL go %s %s: %s\n", mode, c.name, err)
			continue
		}
		fmt.Printf("ok go %s %s\n", mode, c.name)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// enter connects as a user, behind the sentinel in operator mode.
func enter(mode, name, password string, more ...nats.Option) (*nats.Conn, error) {
	more = append(more, nats.UserInfo(name, password))
	if mode == "operator" {
		more = append(more, nats.UserCredentials(calloutFile("sentinel.creds")))
	}
	return connect(env("CALLOUT_URL"), more...)
}

// calloutAllowed: whom the service lets in may do what it says, and nothing else.
func calloutAllowed(mode string) error {
	violations := make(chan error, 8)
	nc, err := enter(mode, "alice", env("PASSWORD"), nats.ErrorHandler(
		func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	if err != nil {
		return err
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("news.go")
	if err != nil {
		return err
	}
	if err := nc.Publish("news.go", []byte("hello")); err != nil {
		return err
	}
	if got, err := received(sub, 1); err != nil {
		return fmt.Errorf("got %v: %w", got, err)
	}
	if err := nc.Publish("other.go", nil); err != nil {
		return err
	}
	if err := nc.FlushTimeout(wait); err != nil {
		return err
	}
	if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("got %v, want a permissions violation", err)
	}
	return nil
}

// calloutRefused: whom the service does not let in is told no more than that.
func calloutRefused(mode string) error {
	for _, who := range [][2]string{{"alice", "wrong"}, {"mallory", env("PASSWORD")}} {
		nc, err := enter(mode, who[0], who[1])
		if err == nil {
			nc.Close()
			return fmt.Errorf("%s was let in", who[0])
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			return fmt.Errorf("got %v, want %v", err, nats.ErrAuthorization)
		}
	}
	return nil
}

// calloutAccounts: each is in the account that the service chose, where imports lead as configured.
func calloutAccounts(mode string) error {
	alice, err := enter(mode, "alice", env("PASSWORD"))
	if err != nil {
		return err
	}
	defer alice.Close()
	bob, err := enter(mode, "bob", env("PASSWORD"))
	if err != nil {
		return err
	}
	defer bob.Close()
	hers, err := alice.SubscribeSync("news.account")
	if err != nil {
		return err
	}
	his, err := bob.SubscribeSync("news.account")
	if err != nil {
		return err
	}
	for _, nc := range []*nats.Conn{alice, bob} {
		if err := nc.FlushTimeout(wait); err != nil {
			return err
		}
	}
	// His stays in his account, hers goes to both.
	if err := bob.Publish("news.account", []byte("his")); err != nil {
		return err
	}
	if err := bob.FlushTimeout(wait); err != nil {
		return err
	}
	if err := alice.Publish("news.account", []byte("hers")); err != nil {
		return err
	}
	got, err := received(his, 2)
	if err != nil || got[0] != "his" || got[1] != "hers" {
		return fmt.Errorf("bob got %v: %v", got, err)
	}
	if got, err := received(hers, 1); err != nil || got[0] != "hers" {
		return fmt.Errorf("alice got %v: %v", got, err)
	}
	return nil
}

// calloutExpiry: whose time ends is told so.
func calloutExpiry(mode string) error {
	told := make(chan error, 8)
	nc, err := enter(mode, "bob", env("PASSWORD"), nats.ErrorHandler(
		func(_ *nats.Conn, _ *nats.Subscription, err error) { told <- err }))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := <-told; !errors.Is(err, nats.ErrAuthExpired) {
		return fmt.Errorf("got %v, want %v", err, nats.ErrAuthExpired)
	}
	return nil
}
