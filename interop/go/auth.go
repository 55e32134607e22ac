package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

var authChecks = []check{
	{"auth_token", accepted("TOKEN_URL", func() nats.Option { return nats.Token(env("TOKEN")) })},
	{"auth_token_wrong", refused("TOKEN_URL", func() nats.Option { return nats.Token("wrong") })},
	{"auth_missing", refused("TOKEN_URL", nil)},
	{"auth_user_password", accepted("USERS_URL", user("alice"))},
	{"auth_password_wrong", refused("USERS_URL", func() nats.Option { return nats.UserInfo("alice", "wrong") })},
	{"auth_bcrypt", accepted("USERS_URL", func() nats.Option { return nats.UserInfo("hashed", env("BCRYPT_PASSWORD")) })},
	{"auth_no_auth_user", noAuthUser},
	{"auth_nkey", accepted("NKEY_URL", nkey("NKEY"))},
	{"auth_nkey_wrong", refused("NKEY_URL", nkey("WRONG_NKEY"))},
}

var permissionChecks = []check{
	{"permission_publish", permissionPublish},
	{"permission_subscribe", permissionSubscribe},
	{"permission_queue", permissionQueue},
	{"permission_responses", permissionResponses},
}

func user(name string) func() nats.Option {
	return func() nats.Option { return nats.UserInfo(name, env("PASSWORD")) }
}

func nkey(prefix string) func() nats.Option {
	return func() nats.Option {
		return nats.Nkey(env(prefix+"_PUBLIC"), func(nonce []byte) ([]byte, error) {
			pair, err := nkeys.FromSeed([]byte(env(prefix + "_SEED")))
			if err != nil {
				return nil, err
			}
			return pair.Sign(nonce)
		})
	}
}

// options lists what the functions make; they run late because env does.
func options(makers ...func() nats.Option) []nats.Option {
	var made []nats.Option
	for _, maker := range makers {
		if maker != nil {
			made = append(made, maker())
		}
	}
	return made
}

// accepted is a check that these options let a client in and serve it.
func accepted(url string, makers ...func() nats.Option) func() error {
	return func() error {
		nc, err := connect(env(url), options(makers...)...)
		if err != nil {
			return err
		}
		defer nc.Close()
		return usable(nc, "guest.go.usable")
	}
}

// refused is a check that these options end in the client's authorization error.
func refused(url string, makers ...func() nats.Option) func() error {
	return func() error {
		nc, err := connect(env(url), options(makers...)...)
		if err == nil {
			nc.Close()
			return errors.New("the server let us in")
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			return fmt.Errorf("got %v, want %v", err, nats.ErrAuthorization)
		}
		return nil
	}
}

// usable sends one message to ourselves.
func usable(nc *nats.Conn, subject string) error {
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		return err
	}
	if err := nc.Publish(subject, []byte("hello")); err != nil {
		return err
	}
	got, err := received(sub, 1)
	return errors.Join(err, expect("messages", fmt.Sprint(got), "[hello]"))
}

func noAuthUser() error {
	nc, failures, err := watched()
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := usable(nc, "guest.go"); err != nil {
		return err
	}
	// Being the guest shows in what the guest may not do.
	if err := nc.Publish("ok.go", nil); err != nil {
		return err
	}
	return violation(failures, `publish to "ok.go"`)
}

// watched connects to the users server and collects asynchronous errors.
func watched(extra ...nats.Option) (*nats.Conn, <-chan error, error) {
	failures := make(chan error, 16)
	handler := nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { failures <- err })
	nc, err := connect(env("USERS_URL"), append(extra, handler)...)
	return nc, failures, err
}

// violation awaits a permissions violation that names the operation.
func violation(failures <-chan error, operation string) error {
	err, none := await("permissions violation", failures)
	if none != nil {
		return none
	}
	text := strings.ToLower(err.Error())
	if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(text, strings.ToLower(operation)) {
		return fmt.Errorf("got %q, want a permissions violation for %s", err, operation)
	}
	return nil
}

// asLimited runs body as the limited user and then requires that the connection lives.
func asLimited(body func(nc *nats.Conn, failures <-chan error) error) error {
	nc, failures, err := watched(user("limited")())
	if err != nil {
		return err
	}
	defer nc.Close()
	return errors.Join(body(nc, failures), usable(nc, "ok.go.alive"))
}

func permissionPublish() error {
	return asLimited(func(nc *nats.Conn, failures <-chan error) error {
		for _, subject := range []string{"other.go", "ok.secret.go"} {
			if err := nc.Publish(subject, nil); err != nil {
				return err
			}
			if err := violation(failures, fmt.Sprintf("publish to %q", subject)); err != nil {
				return err
			}
		}
		return nil
	})
}

func permissionSubscribe() error {
	return asLimited(func(nc *nats.Conn, failures <-chan error) error {
		for _, subject := range []string{"other.go", "ok.secret.go"} {
			if _, err := nc.SubscribeSync(subject); err != nil {
				return err
			}
			if err := violation(failures, fmt.Sprintf("subscription to %q", subject)); err != nil {
				return err
			}
		}
		return nil
	})
}

func permissionQueue() error {
	return asLimited(func(nc *nats.Conn, failures <-chan error) error {
		if _, err := nc.QueueSubscribeSync("q.go", "others"); err != nil {
			return err
		}
		if err := violation(failures, `subscription to "q.go" using queue "others"`); err != nil {
			return err
		}
		sub, err := nc.QueueSubscribeSync("q.go", "workers")
		if err != nil {
			return err
		}
		if err := nc.FlushTimeout(wait); err != nil {
			return err
		}
		alice, err := connect(env("USERS_URL"), user("alice")())
		if err != nil {
			return err
		}
		defer alice.Close()
		if err := alice.Publish("q.go", []byte("job")); err != nil {
			return err
		}
		got, err := received(sub, 1)
		return errors.Join(err, expect("messages", fmt.Sprint(got), "[job]"))
	})
}

func permissionResponses() error {
	nc, failures, err := watched(user("responder")())
	if err != nil {
		return err
	}
	defer nc.Close()
	// Two answers to a request that allows one: the second is the violation.
	_, err = nc.Subscribe("svc.go", func(msg *nats.Msg) {
		_ = msg.Respond([]byte("one"))
		_ = msg.Respond([]byte("two"))
	})
	if err != nil {
		return err
	}
	if err := nc.FlushTimeout(wait); err != nil {
		return err
	}
	alice, err := connect(env("USERS_URL"), user("alice")())
	if err != nil {
		return err
	}
	defer alice.Close()
	reply, err := alice.Request("svc.go", nil, wait)
	if err != nil {
		return err
	}
	if err := expect("reply", string(reply.Data), "one"); err != nil {
		return err
	}
	return violation(failures, `publish to "_INBOX.`)
}
