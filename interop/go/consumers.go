package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var consumerChecks = []check{
	{"js_pull_fetch", jsPullFetch},
	{"js_pull_consume", jsPullConsume},
	{"js_push", jsPush},
	{"js_ordered", jsOrdered},
	{"js_ack_kinds", jsAckKinds},
	{"js_redelivery", jsRedelivery},
	{"js_consumer_manage", jsConsumerManage},
}

// onConsumer runs body with a stream of `count` messages and a durable consumer on it.
func onConsumer(
	name string, count int, config jetstream.ConsumerConfig,
	body func(f fixture, consumer jetstream.Consumer) error,
) error {
	return onStream(name, jetstream.StreamConfig{}, func(f fixture) error {
		if err := f.fill("x", count); err != nil {
			return err
		}
		config.Durable = "durable"
		consumer, err := f.stream.CreateConsumer(f.ctx, config)
		if err != nil {
			return fmt.Errorf("create consumer: %w", err)
		}
		return body(f, consumer)
	})
}

// fetch takes exactly `count` messages.
func fetch(consumer jetstream.Consumer, count int) ([]jetstream.Msg, error) {
	batch, err := consumer.Fetch(count, jetstream.FetchMaxWait(wait))
	if err != nil {
		return nil, err
	}
	var messages []jetstream.Msg
	for message := range batch.Messages() {
		messages = append(messages, message)
	}
	return messages, errors.Join(batch.Error(), expect("messages fetched", len(messages), count))
}

// delivery describes a message as payload/number of deliveries.
func delivery(message jetstream.Msg) string {
	metadata, err := message.Metadata()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s/%d", message.Data(), metadata.NumDelivered)
}

func jsPullFetch() error {
	return onConsumer("fetch", 25, jetstream.ConsumerConfig{}, func(f fixture, consumer jetstream.Consumer) error {
		number := 0
		for _, count := range []int{10, 10, 5} {
			messages, err := fetch(consumer, count)
			if err != nil {
				return err
			}
			for _, message := range messages {
				if err := errors.Join(expect("payload", string(message.Data()), strconv.Itoa(number)), message.DoubleAck(f.ctx)); err != nil {
					return err
				}
				number++
			}
		}
		empty, err := consumer.FetchNoWait(5)
		if err != nil {
			return err
		}
		for message := range empty.Messages() {
			return fmt.Errorf("message %s from an empty consumer", message.Data())
		}
		_, late := consumer.Next(jetstream.FetchMaxWait(300 * time.Millisecond))
		info, err := consumer.Info(f.ctx)
		if err != nil {
			return err
		}
		return errors.Join(
			expect("an error of the empty fetch", late != nil, true),
			expect("pending", info.NumPending, 0), expect("ack pending", info.NumAckPending, 0),
			expect("ack floor", info.AckFloor.Stream, 25))
	})
}

func jsPullConsume() error {
	return onConsumer("consume", 0, jetstream.ConsumerConfig{}, func(f fixture, consumer jetstream.Consumer) error {
		const count = 2_000
		got := make(chan string, count)
		consuming, err := consumer.Consume(func(message jetstream.Msg) {
			got <- string(message.Data())
			_ = message.Ack()
		}, jetstream.PullMaxMessages(100))
		if err != nil {
			return err
		}
		defer consuming.Stop()
		for i := range count {
			if _, err := f.js.PublishAsync("go.consume.x", []byte(strconv.Itoa(i))); err != nil {
				return err
			}
		}
		for i := range count {
			payload, err := await("message "+strconv.Itoa(i), got)
			if err := errors.Join(err, expect("payload", payload, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	})
}

func jsPush() error {
	return onStream("push", jetstream.StreamConfig{}, func(f fixture) error {
		const count = 500
		consumer, err := f.stream.CreatePushConsumer(f.ctx, jetstream.ConsumerConfig{
			Durable: "pusher", DeliverSubject: f.nc.NewInbox(), AckPolicy: jetstream.AckExplicitPolicy,
			FlowControl: true, IdleHeartbeat: time.Second})
		if err != nil {
			return err
		}
		got := make(chan string, count)
		consuming, err := consumer.Consume(func(message jetstream.Msg) {
			got <- string(message.Data())
			_ = message.Ack()
		})
		if err != nil {
			return err
		}
		defer consuming.Stop()
		if err := f.fill("x", count); err != nil {
			return err
		}
		for i := range count {
			payload, err := await("message "+strconv.Itoa(i), got)
			if err := errors.Join(err, expect("payload", payload, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		info, err := consumer.Info(f.ctx)
		if err != nil {
			return err
		}
		return expect("push bound", info.PushBound, true)
	})
}

func jsOrdered() error {
	return onStream("ordered", jetstream.StreamConfig{}, func(f fixture) error {
		const count = 2_000
		for range count {
			if _, err := f.js.PublishAsync("go.ordered.x", make([]byte, 100)); err != nil {
				return err
			}
		}
		if _, err := await("all acks", f.js.PublishAsyncComplete()); err != nil {
			return err
		}
		consumer, err := f.stream.OrderedConsumer(f.ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"go.ordered.>"}})
		if err != nil {
			return err
		}
		messages, err := consumer.Messages()
		if err != nil {
			return err
		}
		defer messages.Stop()
		for i := range count {
			message, err := messages.Next(jetstream.NextMaxWait(wait))
			if err != nil {
				return err
			}
			metadata, err := message.Metadata()
			if err := errors.Join(err, expect("sequence", metadata.Sequence.Stream, uint64(i+1))); err != nil {
				return err
			}
		}
		return nil
	})
}

func jsAckKinds() error {
	return onConsumer("acks", 4, jetstream.ConsumerConfig{}, func(f fixture, consumer jetstream.Consumer) error {
		messages, err := fetch(consumer, 4)
		if err != nil {
			return err
		}
		err = errors.Join(messages[0].DoubleAck(f.ctx), messages[1].Nak(),
			messages[2].TermWithReason("spoiled"), messages[3].InProgress())
		again, err2 := fetch(consumer, 1)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		err = again[0].NakWithDelay(300 * time.Millisecond)
		later, err2 := fetch(consumer, 1)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		err = later[0].DoubleAck(f.ctx)
		info, err2 := consumer.Info(f.ctx)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return errors.Join(
			expect("delivered again", delivery(again[0]), "1/2"),
			expect("delivered after the delay", delivery(later[0]), "1/3"),
			expect("ack pending", info.NumAckPending, 1), expect("ack floor", info.AckFloor.Stream, 3))
	})
}

func jsRedelivery() error {
	config := jetstream.ConsumerConfig{AckWait: 500 * time.Millisecond, MaxDeliver: 2}
	return onConsumer("redeliver", 1, config, func(f fixture, consumer jetstream.Consumer) error {
		for _, want := range []string{"0/1", "0/2"} {
			messages, err := fetch(consumer, 1)
			if err != nil {
				return err
			}
			if err := expect("delivery", delivery(messages[0]), want); err != nil {
				return err
			}
		}
		batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(1200*time.Millisecond))
		if err != nil {
			return err
		}
		for message := range batch.Messages() {
			return fmt.Errorf("delivered more often than max_deliver: %s", delivery(message))
		}
		return nil
	})
}

func jsConsumerManage() error {
	return onStream("manage", jetstream.StreamConfig{}, func(f fixture) error {
		if err := errors.Join(f.fill("a", 3), f.fill("b", 2)); err != nil {
			return err
		}
		config := jetstream.ConsumerConfig{Durable: "managed", FilterSubjects: []string{"go.manage.b"}, Description: "first"}
		created, err := f.stream.CreateConsumer(f.ctx, config)
		if err != nil {
			return err
		}
		config.Description, config.FilterSubjects = "second", []string{"go.manage.a", "go.manage.c"}
		edited, err := f.stream.UpdateConsumer(f.ctx, config)
		if err != nil {
			return err
		}
		_, exists := f.stream.CreateConsumer(f.ctx, jetstream.ConsumerConfig{Durable: "managed", Description: "third"})
		var names []string
		for name := range f.stream.ConsumerNames(f.ctx).Name() {
			names = append(names, name)
		}
		paused, err := f.stream.PauseConsumer(f.ctx, "managed", time.Now().Add(time.Hour))
		resumed, err2 := f.stream.ResumeConsumer(f.ctx, "managed")
		if err := errors.Join(err, err2, f.stream.DeleteConsumer(f.ctx, "managed")); err != nil {
			return err
		}
		_, gone := f.stream.Consumer(context.WithoutCancel(f.ctx), "managed")
		return errors.Join(
			expect("pending", created.CachedInfo().NumPending, 2), expect("pending after the edit", edited.CachedInfo().NumPending, 3),
			expect("description", edited.CachedInfo().Config.Description, "second"),
			expect("exists", errors.Is(exists, jetstream.ErrConsumerExists), true),
			expect("names", fmt.Sprint(names), "[managed]"),
			expect("paused", paused.Paused, true), expect("resumed", resumed.Paused, false),
			expect("gone", errors.Is(gone, jetstream.ErrConsumerNotFound), true))
	})
}
