package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

var lifecycleChecks = []check{
	{"drain_subscription", drainSubscription},
	{"drain_connection", drainConnection},
	{"reconnect", func() error { return reconnect("stop") }},
	{"reconnect_after_kill", func() error { return reconnect("kill") }},
	{"lame_duck", lameDuck},
}

func drainSubscription() error {
	const count = 100
	return with(func(nc *nats.Conn) error {
		gate, handled := make(chan struct{}), make(chan struct{}, 2*count)
		sub, err := nc.Subscribe("go.drain.sub", func(*nats.Msg) {
			<-gate
			handled <- struct{}{}
		})
		if err != nil {
			return err
		}
		drained := make(chan struct{})
		sub.SetClosedHandler(func(string) { close(drained) })
		for range count {
			if err := nc.Publish("go.drain.sub", nil); err != nil {
				return err
			}
		}
		if err := errors.Join(nc.FlushTimeout(wait), sub.Drain()); err != nil {
			return err
		}
		// The drain has sent UNSUB; what comes after it must not arrive.
		if err := errors.Join(nc.Publish("go.drain.sub", nil), nc.FlushTimeout(wait)); err != nil {
			return err
		}
		close(gate)
		if _, err := await("end of the drain", drained); err != nil {
			return err
		}
		return expect("messages handled", len(handled), count)
	})
}

func drainConnection() error {
	const count = 100
	return with(func(observer *nats.Conn) error {
		echoes, err := observer.SubscribeSync("go.drain.echo")
		if err != nil {
			return err
		}
		closed := make(chan struct{})
		nc, err := connect(env("PLAIN_URL"), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
		if err != nil {
			return err
		}
		defer nc.Close()
		// Handlers still publish while the connection drains: all of it must leave.
		_, err = nc.Subscribe("go.drain.conn", func(msg *nats.Msg) { _ = nc.Publish("go.drain.echo", msg.Data) })
		if err != nil {
			return err
		}
		for range count {
			if err := nc.Publish("go.drain.conn", []byte("x")); err != nil {
				return err
			}
		}
		if err := errors.Join(observer.FlushTimeout(wait), nc.FlushTimeout(wait), nc.Drain()); err != nil {
			return err
		}
		if _, err := await("closed connection", closed); err != nil {
			return err
		}
		if _, err := received(echoes, count); err != nil {
			return err
		}
		return expect("closed", nc.IsClosed(), true)
	})
}

// reconnecting opens a connection to this program's own server that comes back
// quickly and for as long as the checks wait.
func reconnecting(options ...nats.Option) (*nats.Conn, error) {
	defaults := []nats.Option{
		nats.Timeout(wait), nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0),
	}
	return nats.Connect(env("RESTART_URL"), append(defaults, options...)...)
}

func reconnect(how string) error {
	lost, back := make(chan struct{}, 8), make(chan struct{}, 8)
	nc, err := reconnecting(
		nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }),
	)
	if err != nil {
		return err
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("go.reconnect")
	if err != nil {
		return err
	}
	if err := errors.Join(nc.FlushTimeout(wait), control(how)); err != nil {
		return err
	}
	if _, err := await("disconnect event", lost); err != nil {
		return errors.Join(err, control("start"))
	}
	if err := control("start"); err != nil {
		return err
	}
	if _, err := await("reconnect event", back); err != nil {
		return err
	}
	if err := nc.Publish("go.reconnect", []byte("after")); err != nil {
		return err
	}
	got, err := received(sub, 1)
	return errors.Join(err, expect("messages", fmt.Sprint(got), "[after]"))
}

func lameDuck() error {
	noticed := make(chan struct{}, 8)
	nc, err := reconnecting(nats.LameDuckModeHandler(func(*nats.Conn) { noticed <- struct{}{} }))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := control("lame_duck"); err != nil {
		return err
	}
	_, err = await("lame duck notice", noticed)
	if err == nil {
		// The grace period has only begun: the connection still works.
		err = nc.FlushTimeout(wait)
	}
	nc.Close()
	return errors.Join(err, control("start"))
}
