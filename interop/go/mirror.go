package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jsMirror copies a stream into a mirror, and a part of it into a stream with a source; both go on
// where they were after the server was killed.
func jsMirror() error {
	nc, err := connect(env("RESTART_URL"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		func(o *nats.Options) error { o.AllowReconnect = true; return nil })
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkDeadline)
	defer cancel()
	origin := jetstream.StreamConfig{Name: "GO_ORIGIN", Subjects: []string{"go.origin.*"}}
	if _, err := js.CreateStream(ctx, origin); err != nil {
		return err
	}
	if err := publishToOrigin(ctx, js, 0, 20); err != nil {
		return err
	}
	mirror := jetstream.StreamConfig{Name: "GO_MIRROR", Mirror: &jetstream.StreamSource{Name: "GO_ORIGIN"}}
	sourced := jetstream.StreamConfig{Name: "GO_SOURCED", Sources: []*jetstream.StreamSource{
		{Name: "GO_ORIGIN", FilterSubject: "go.origin.1"}}}
	for _, config := range []jetstream.StreamConfig{mirror, sourced} {
		if _, err := js.CreateStream(ctx, config); err != nil {
			return fmt.Errorf("create %s: %w", config.Name, err)
		}
	}
	if err := copied(ctx, js, 20); err != nil {
		return err
	}
	if err := errors.Join(control("kill"), control("start")); err != nil {
		return err
	}
	if err := copied(ctx, js, 20); err != nil {
		return fmt.Errorf("after the kill: %w", err)
	}
	if err := publishToOrigin(ctx, js, 20, 30); err != nil {
		return err
	}
	return copied(ctx, js, 30)
}

// publishToOrigin publishes numbers, even and odd ones on subjects of their own.
func publishToOrigin(ctx context.Context, js jetstream.JetStream, from, to int) error {
	for number := from; number < to; number++ {
		subject := fmt.Sprintf("go.origin.%d", number%2)
		if _, err := js.Publish(ctx, subject, []byte(strconv.Itoa(number))); err != nil {
			return err
		}
	}
	return nil
}

// copied waits until the copies have so many messages of the origin, and compares them.
func copied(ctx context.Context, js jetstream.JetStream, count int) error {
	var mirror, sourced jetstream.Stream
	for deadline := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if mirror, err = js.Stream(ctx, "GO_MIRROR"); err == nil {
			sourced, err = js.Stream(ctx, "GO_SOURCED")
		}
		if err == nil && mirror.CachedInfo().State.LastSeq == uint64(count) &&
			sourced.CachedInfo().State.Msgs == uint64(count/2) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no copies of %d messages within %s: %v", count, wait, err)
		}
	}
	for number := range count {
		message, err := mirror.GetMsg(ctx, uint64(number+1))
		if err != nil {
			return err
		}
		want := fmt.Sprintf("go.origin.%d %d", number%2, number)
		if err := expect("mirrored", message.Subject+" "+string(message.Data), want); err != nil {
			return err
		}
	}
	for place := range count / 2 {
		message, err := sourced.GetMsg(ctx, uint64(place+1))
		if err != nil {
			return err
		}
		want := fmt.Sprintf("go.origin.1 %d", 2*place+1)
		if err := expect("sourced", message.Subject+" "+string(message.Data), want); err != nil {
			return err
		}
	}
	return nil
}
