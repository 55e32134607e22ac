package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Roles in ../callout.py: a service that decides who gets in, and a client that tries.

// playCallout plays "setup", "service" or "client"; mode is "configured" or "operator".
func playCallout(role, mode string) error {
	switch role {
	case "setup":
		return setUpCallout(env("CALLOUT_DIR"))
	case "service":
		return serveCallout(mode)
	case "client":
		return tryCallout(mode)
	}
	return fmt.Errorf("unknown role %s", role)
}

// desk is the service: who may come in, and the keys it answers with.
type desk struct {
	mode          string
	signer, curve nkeys.KeyPair
	// The account each user is placed in: a name, or the seed of its key in operator mode.
	places map[string]string

	mu     sync.Mutex
	banned map[string]bool
}

// serveCallout answers until its standard input ends; "ban <user>" lets a user in no more.
func serveCallout(mode string) error {
	signer, err := readKey("issuer")
	if err != nil {
		return err
	}
	curve, err := readKey("curve")
	if err != nil {
		return err
	}
	d := &desk{mode: mode, signer: signer, curve: curve, banned: map[string]bool{},
		places: map[string]string{"alice": "APP", "bob": "GUESTS"}}
	login := nats.UserInfo("auth", env("PASSWORD"))
	if mode == "operator" {
		login = nats.UserCredentials(calloutFile("service.creds"))
	}
	nc, err := connect(env("CALLOUT_URL"), login)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.QueueSubscribe("$SYS.REQ.USER.AUTH", "desk", d.handle); err != nil {
		return err
	}
	if err := nc.FlushTimeout(wait); err != nil {
		return err
	}
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "ban "); ok {
			d.mu.Lock()
			d.banned[name] = true
			d.mu.Unlock()
			fmt.Println("banned", name)
		}
	}
	return nil
}

func (d *desk) handle(m *nats.Msg) {
	server := m.Header.Get("Nats-Server-Xkey")
	data, err := d.curve.Open(m.Data, server)
	if err != nil {
		fmt.Fprintln(os.Stderr, "a question that is not sealed for us:", err)
		return
	}
	question, err := jwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		fmt.Fprintln(os.Stderr, "not a question:", err)
		return
	}
	answer := jwt.NewAuthorizationResponseClaims(question.UserNkey)
	answer.Audience = question.Server.ID
	if answer.Jwt, err = d.decide(question); err != nil {
		answer.Error = err.Error()
	}
	token, err := answer.Encode(d.signer)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the answer cannot be signed:", err)
		return
	}
	sealed, err := d.curve.Seal([]byte(token), server)
	if err == nil {
		err = m.Respond(sealed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no answer:", err)
	}
}

// decide makes the user's token, or says why there is none.
func (d *desk) decide(question *jwt.AuthorizationRequestClaims) (string, error) {
	name, options := question.ConnectOptions.Username, question.ConnectOptions
	d.mu.Lock()
	banned := d.banned[name]
	d.mu.Unlock()
	place, known := d.places[name]
	switch {
	case !known || options.Password != env("PASSWORD"):
		return "", fmt.Errorf("wrong user or password")
	case banned:
		return "", fmt.Errorf("%s is banned", name)
	}
	user := jwt.NewUserClaims(question.UserNkey)
	user.Name = name
	user.Pub.Allow.Add("news.>")
	user.Sub.Allow.Add("news.>")
	if name == "bob" {
		user.Expires = time.Now().Add(3 * time.Second).Unix()
	}
	signer := d.signer
	if d.mode == "operator" {
		var err error
		if signer, err = readKey(place); err != nil {
			return "", err
		}
	} else {
		user.Audience = place
	}
	return user.Encode(signer)
}

// calloutFile is a file that the set-up wrote.
func calloutFile(name string) string { return filepath.Join(env("CALLOUT_DIR"), name) }

func readKey(name string) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(calloutFile(name + ".nk"))
	if err != nil {
		return nil, err
	}
	if name == "curve" {
		return nkeys.FromCurveSeed(seed)
	}
	return nkeys.FromSeed(seed)
}
