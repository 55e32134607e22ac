package main

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

var coreChecks = []check{
	{"server_info", serverInfo},
	{"flush_rtt", flushRTT},
	{"publish_subscribe", publishSubscribe},
	{"order", order},
	{"wildcards", wildcards},
	{"queue_group", queueGroup},
	{"unsubscribe", unsubscribe},
	{"auto_unsubscribe", autoUnsubscribe},
	{"no_echo", noEcho},
	{"headers", headers},
	{"request_reply", requestReply},
	{"request_many", requestMany},
	{"request_timeout", requestTimeout},
	{"no_responders", noResponders},
	{"max_payload", maxPayload},
	{"subject_mapping", subjectMapping},
}

func serverInfo() error {
	return with(func(nc *nats.Conn) error {
		id, err := nc.GetClientID()
		if err != nil || id == 0 {
			return fmt.Errorf("client id %d: %w", id, err)
		}
		ip, err := nc.GetClientIP()
		if err != nil {
			return err
		}
		return errors.Join(
			expect("version", nc.ConnectedServerVersion(), env("VERSION")),
			expect("server name", nc.ConnectedServerName(), "interop-plain"),
			expect("headers", nc.HeadersSupported(), true),
			expect("max_payload", strconv.FormatInt(nc.MaxPayload(), 10), env("MAX_PAYLOAD")),
			expect("auth_required", nc.AuthRequired(), false),
			expect("tls_required", nc.TLSRequired(), false),
			expect("client ip", ip.String(), "127.0.0.1"),
			expect("server id length", len(nc.ConnectedServerId()), 56),
		)
	})
}

func flushRTT() error {
	return with(func(nc *nats.Conn) error {
		rtt, err := nc.RTT()
		if err != nil {
			return err
		}
		if rtt <= 0 || rtt > wait {
			return fmt.Errorf("round trip of %s", rtt)
		}
		return nc.FlushTimeout(wait)
	})
}

func publishSubscribe() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.pubsub")
		if err != nil {
			return err
		}
		want := []string{"first", "", "third \x00\r\n"}
		for _, payload := range want {
			if err := nc.Publish("go.pubsub", []byte(payload)); err != nil {
				return err
			}
		}
		got, err := received(sub, len(want))
		if err == nil && !reflect.DeepEqual(got, want) {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	})
}

func order() error {
	const count = 10_000
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.order.*")
		if err != nil {
			return err
		}
		return errors.Join(publishNumbers(nc, count), receiveNumbers(sub, count))
	})
}

func publishNumbers(nc *nats.Conn, count int) error {
	for i := range count {
		if err := nc.Publish("go.order."+strconv.Itoa(i%7), []byte(strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nc.FlushTimeout(wait)
}

func receiveNumbers(sub *nats.Subscription, count int) error {
	got, err := received(sub, count)
	if err != nil {
		return err
	}
	for i, payload := range got {
		if err := expect("message in order", payload, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func wildcards() error {
	return with(func(nc *nats.Conn) error {
		one, err := nc.SubscribeSync("go.wild.*.end")
		if err != nil {
			return err
		}
		rest, err := nc.SubscribeSync("go.wild.>")
		if err != nil {
			return err
		}
		for _, subject := range []string{"go.wild", "go.wild.a.end", "go.wild.b.c.end", "go.wild.d", "go.wilder.a.end"} {
			if err := nc.Publish(subject, []byte(subject)); err != nil {
				return err
			}
		}
		gotOne, err := received(one, 1)
		if err != nil {
			return err
		}
		gotRest, err := received(rest, 3)
		if err != nil {
			return err
		}
		return errors.Join(
			expect("by *", fmt.Sprint(gotOne), "[go.wild.a.end]"),
			expect("by >", fmt.Sprint(gotRest), "[go.wild.a.end go.wild.b.c.end go.wild.d]"),
			nothingMore(nc, one), nothingMore(nc, rest),
		)
	})
}

func queueGroup() error {
	const count, members = 300, 3
	return with(func(nc *nats.Conn) error {
		arrived := make(chan int, 2*count)
		for member := range members {
			if _, err := nc.QueueSubscribe("go.queue", "workers", func(*nats.Msg) { arrived <- member }); err != nil {
				return err
			}
		}
		observer, err := nc.SubscribeSync("go.queue")
		if err != nil {
			return err
		}
		for range count {
			if err := nc.Publish("go.queue", nil); err != nil {
				return err
			}
		}
		if _, err := received(observer, count); err != nil {
			return fmt.Errorf("plain subscriber beside the group: %w", err)
		}
		perMember := map[int]int{}
		for range count {
			member, err := await("message for the group", arrived)
			if err != nil {
				return fmt.Errorf("%v so far: %w", perMember, err)
			}
			perMember[member]++
		}
		if err := expect("members with messages", len(perMember), members); err != nil {
			return err
		}
		return errors.Join(nothingMore(nc, observer), expect("duplicates", len(arrived), 0))
	})
}

func unsubscribe() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.unsub")
		if err != nil {
			return err
		}
		if err := nc.Publish("go.unsub", []byte("seen")); err != nil {
			return err
		}
		if _, err := received(sub, 1); err != nil {
			return err
		}
		before := nc.Stats().InMsgs
		if err := sub.Unsubscribe(); err != nil {
			return err
		}
		if err := nc.Publish("go.unsub", []byte("unseen")); err != nil {
			return err
		}
		if err := nc.FlushTimeout(wait); err != nil {
			return err
		}
		return expect("messages after unsubscribe", nc.Stats().InMsgs-before, 0)
	})
}

func autoUnsubscribe() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.auto")
		if err != nil {
			return err
		}
		if err := sub.AutoUnsubscribe(3); err != nil {
			return err
		}
		for range 10 {
			if err := nc.Publish("go.auto", nil); err != nil {
				return err
			}
		}
		if _, err := received(sub, 3); err != nil {
			return err
		}
		if err := nc.FlushTimeout(wait); err != nil {
			return err
		}
		// What the server sent is counted before the client's own limit cuts it.
		return expect("messages sent by the server", nc.Stats().InMsgs, 3)
	})
}

func noEcho() error {
	return with(func(other *nats.Conn) error {
		nc, err := connect(env("PLAIN_URL"), nats.NoEcho())
		if err != nil {
			return err
		}
		defer nc.Close()
		sub, err := nc.SubscribeSync("go.echo")
		if err != nil {
			return err
		}
		if err := errors.Join(nc.Publish("go.echo", []byte("own")), nc.FlushTimeout(wait)); err != nil {
			return err
		}
		if err := errors.Join(other.Publish("go.echo", []byte("other")), other.FlushTimeout(wait)); err != nil {
			return err
		}
		got, err := received(sub, 1)
		return errors.Join(err, expect("messages", fmt.Sprint(got), "[other]"), nothingMore(nc, sub))
	})
}

func headers() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.headers")
		if err != nil {
			return err
		}
		for _, payload := range []string{"body", ""} {
			msg := nats.NewMsg("go.headers")
			msg.Data = []byte(payload)
			msg.Header["X-Multi"] = []string{"one", "two: with colon"}
			msg.Header["x-lower"] = []string{"grüße"}
			if err := nc.PublishMsg(msg); err != nil {
				return err
			}
			got, err := sub.NextMsg(wait)
			if err != nil {
				return err
			}
			if !reflect.DeepEqual(got.Header, msg.Header) || string(got.Data) != payload {
				return fmt.Errorf("got %v %q, want %v %q", got.Header, got.Data, msg.Header, payload)
			}
		}
		return nil
	})
}

func requestReply() error {
	return with(func(nc *nats.Conn) error {
		service := func(msg *nats.Msg) { _ = msg.Respond(append([]byte("re: "), msg.Data...)) }
		if _, err := nc.QueueSubscribe("go.service", "service", service); err != nil {
			return err
		}
		for i := range 20 {
			reply, err := nc.Request("go.service", fmt.Appendf(nil, "%d", i), wait)
			if err != nil {
				return err
			}
			if err := expect("reply", string(reply.Data), fmt.Sprintf("re: %d", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func requestMany() error {
	return with(func(nc *nats.Conn) error {
		for _, name := range []string{"a", "b", "c"} {
			respond := func(msg *nats.Msg) { _ = msg.Respond([]byte(name)) }
			if _, err := nc.Subscribe("go.many", respond); err != nil {
				return err
			}
		}
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			return err
		}
		if err := nc.PublishRequest("go.many", inbox, nil); err != nil {
			return err
		}
		got, err := received(sub, 3)
		sort.Strings(got)
		return errors.Join(err, expect("replies", fmt.Sprint(got), "[a b c]"), nothingMore(nc, sub))
	})
}

func requestTimeout() error {
	return with(func(nc *nats.Conn) error {
		if _, err := nc.SubscribeSync("go.silent"); err != nil {
			return err
		}
		_, err := nc.Request("go.silent", nil, 200*time.Millisecond)
		if !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("got %v, want a timeout", err)
		}
		return nil
	})
}

func noResponders() error {
	return with(func(nc *nats.Conn) error {
		_, err := nc.Request("go.nobody", []byte("anyone?"), wait)
		if !errors.Is(err, nats.ErrNoResponders) {
			return fmt.Errorf("got %v, want no responders", err)
		}
		return nil
	})
}

func maxPayload() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("go.large")
		if err != nil {
			return err
		}
		limit := int(nc.MaxPayload())
		for _, size := range []int{limit - 1, limit} {
			payload := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			if err := nc.Publish("go.large", payload); err != nil {
				return err
			}
			msg, err := sub.NextMsg(wait)
			if err != nil {
				return fmt.Errorf("%d bytes: %w", size, err)
			}
			if !bytes.Equal(msg.Data, payload) {
				return fmt.Errorf("%d bytes came back as %d different ones", size, len(msg.Data))
			}
		}
		err = nc.Publish("go.large", make([]byte, limit+1))
		if !errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("one byte too many: got %v, want %v", err, nats.ErrMaxPayload)
		}
		return nc.FlushTimeout(wait)
	})
}

func subjectMapping() error {
	return with(func(nc *nats.Conn) error {
		sub, err := nc.SubscribeSync("mapped.go.>")
		if err != nil {
			return err
		}
		if err := nc.Publish("map.go.left.right", []byte("x")); err != nil {
			return err
		}
		msg, err := sub.NextMsg(wait)
		if err != nil {
			return err
		}
		return expect("mapped subject", msg.Subject, "mapped.go.right.left")
	})
}
