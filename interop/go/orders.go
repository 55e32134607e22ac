package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// inFlight is how many orders a publisher has under way at a time.
const inFlight = 16

// playOrders takes a role in ../orders.py. What it prints is what the server has acknowledged.
func playOrders(role string) error {
	nc, err := nats.Connect(env("ORDERS_URL"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second))
	if err != nil {
		return err
	}
	switch role {
	case "publish":
		return publishOrders(js)
	case "object":
		return storeFile(js)
	}
	return fmt.Errorf("unknown role %s", role)
}

// number is a whole number from the environment.
func number(name string) int {
	value, err := strconv.Atoi(env(name))
	if err != nil {
		panic(err)
	}
	return value
}

// again calls until it works: whatever the server had not acknowledged is sent once more.
func again(what string, call func(ctx context.Context) error) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := call(ctx)
		cancel()
		if err == nil {
			return
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		time.Sleep(20 * time.Millisecond)
	}
}

func publishOrders(js jetstream.JetStream) error {
	var kv jetstream.KeyValue
	again("bucket", func(ctx context.Context) (err error) {
		kv, err = js.KeyValue(ctx, "order_state")
		return err
	})
	ids := make(chan string)
	var workers sync.WaitGroup
	for range inFlight {
		workers.Go(func() {
			for id := range ids {
				again("state", func(ctx context.Context) error {
					revision, err := kv.PutString(ctx, id, "placed")
					if err == nil {
						fmt.Printf("state %s %d\n", id, revision)
					}
					return err
				})
				again("publish", func(ctx context.Context) error {
					ack, err := js.Publish(ctx, "ORDERS.go", []byte(id), jetstream.WithMsgID(id))
					if err == nil {
						fmt.Printf("acked %s %d\n", id, ack.Sequence)
					}
					return err
				})
			}
		})
	}
	for i := range number("ORDERS_EACH") {
		ids <- "go-" + strconv.Itoa(i)
	}
	close(ids)
	workers.Wait()
	return nil
}

// storeFile puts a file until it is acknowledged, then reads it back.
func storeFile(js jetstream.JetStream) error {
	size := number("ORDERS_FILE_BYTES")
	var store jetstream.ObjectStore
	again("store", func(ctx context.Context) (err error) {
		store, err = js.ObjectStore(ctx, "order_files")
		return err
	})
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		contents := io.LimitReader(rand.NewChaCha8([32]byte{1}), int64(size))
		digest := sha256.New()
		info, err := store.Put(ctx, jetstream.ObjectMeta{Name: "invoices.bin"}, io.TeeReader(contents, digest))
		cancel()
		if err == nil {
			fmt.Printf("file %d %s\n", info.Size, hex.EncodeToString(digest.Sum(nil)))
			break
		}
		fmt.Fprintf(os.Stderr, "put: %v\n", err)
		time.Sleep(20 * time.Millisecond)
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		result, err := store.Get(ctx, "invoices.bin")
		digest := sha256.New()
		var size int64
		if err == nil {
			size, err = io.Copy(digest, result)
		}
		cancel()
		if err == nil {
			fmt.Printf("read %d %s\n", size, hex.EncodeToString(digest.Sum(nil)))
			return nil
		}
		fmt.Fprintf(os.Stderr, "get: %v\n", err)
		time.Sleep(20 * time.Millisecond)
	}
}
