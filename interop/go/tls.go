package main

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

var tlsChecks = []check{
	{"tls_server_cert", accepted("TLS_URL", trusting("ca"))},
	{"tls_untrusted_server", untrustedServer},
	{"tls_mutual", accepted("MTLS_URL", trusting("ca"), presenting("client"))},
	{"tls_mutual_no_cert", mutualNoCert},
	{"tls_mapped_user", accepted("MAPPED_URL", trusting("ca"), presenting("client"))},
	{"tls_unmapped_user", refused("MAPPED_URL", trusting("ca"), presenting("stranger"))},
	{"tls_first", accepted("TLS_FIRST_URL", trusting("ca"), nats.TLSHandshakeFirst)},
}

func trusting(authority string) func() nats.Option {
	return func() nats.Option { return nats.RootCAs(cert(authority + ".pem")) }
}

func presenting(name string) func() nats.Option {
	return func() nats.Option { return nats.ClientCert(cert(name+".pem"), cert(name+".key")) }
}

func untrustedServer() error {
	nc, err := connect(env("TLS_URL"), options(trusting("other"))...)
	if err == nil {
		nc.Close()
		return errors.New("connected to a server we do not trust")
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return fmt.Errorf("got %v, want an unknown authority", err)
	}
	return nil
}

func mutualNoCert() error {
	nc, err := connect(env("MTLS_URL"), options(trusting("ca"))...)
	if err == nil {
		nc.Close()
		return errors.New("the server let us in without a certificate")
	}
	// A refusal and not a time-out: the server must close or alert, not leave us hanging.
	if errors.Is(err, nats.ErrTimeout) {
		return fmt.Errorf("timed out instead of being refused: %w", err)
	}
	return nil
}
