package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var jetstreamChecks = []check{
	{"js_account", jsAccount},
	{"js_stream_edit", jsStreamEdit},
	{"js_stream_purge", jsStreamPurge},
	{"js_stream_list", jsStreamList},
	{"js_publish", jsPublish},
	{"js_publish_duplicate", jsPublishDuplicate},
	{"js_publish_expected", jsPublishExpected},
	{"js_messages", jsMessages},
	{"js_direct_get", jsDirectGet},
	{"js_message_ttl", jsMessageTTL},
	{"js_counter", jsCounter},
	{"js_batch", jsBatch},
	{"js_errors", jsErrors},
	{"js_survives_kill", jsSurvivesKill},
	{"js_mirror", jsMirror},
}

// fixture is a fresh stream GO_<name> on go.<name>.> and the connection to it.
type fixture struct {
	ctx    context.Context
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	prefix string
}

// onStream runs body with a stream of its own, which is deleted afterwards.
func onStream(name string, config jetstream.StreamConfig, body func(f fixture) error) error {
	return onJetStream(func(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
		config.Name = "GO_" + name
		config.Subjects = []string{"go." + name + ".>"}
		stream, err := js.CreateStream(ctx, config)
		if err != nil {
			return fmt.Errorf("create stream: %w", err)
		}
		f := fixture{ctx, nc, js, stream, "go." + name + "."}
		return errors.Join(body(f), js.DeleteStream(ctx, config.Name))
	})
}

// onJetStream runs body on a fresh connection to the server with JetStream.
func onJetStream(body func(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error) error {
	nc, err := connect(env("JETSTREAM_URL"))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(wait))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkDeadline)
	defer cancel()
	return body(ctx, nc, js)
}

// fill publishes 0, 1, ... one after the other.
func (f fixture) fill(subject string, count int) error {
	for i := range count {
		if _, err := f.js.Publish(f.ctx, f.prefix+subject, []byte(strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

// state is the stream's state now.
func (f fixture) state() jetstream.StreamState {
	info, err := f.stream.Info(f.ctx)
	if err != nil {
		panic(err)
	}
	return info.State
}

// apiError fails unless err is this JetStream error.
func apiError(what string, err error, code int) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: got %v, want err_code %d", what, err, code)
	}
	return expect(what+": err_code", int(api.ErrorCode), code)
}

func jsAccount() error {
	return onStream("account", jetstream.StreamConfig{}, func(f fixture) error {
		info, err := f.js.AccountInfo(f.ctx)
		if err != nil {
			return err
		}
		return errors.Join(
			expect("streams at least", info.Streams >= 1, true),
			expect("api level", info.API.Level, 4),
			expect("unlimited streams", info.Limits.MaxStreams, -1))
	})
}

func jsStreamEdit() error {
	return onStream("edit", jetstream.StreamConfig{MaxMsgs: 10}, func(f fixture) error {
		config := f.stream.CachedInfo().Config
		config.MaxMsgs, config.Description, config.Subjects = 3, "edited", []string{"go.edit.>", "go.more"}
		config.Metadata = map[string]string{"owner": "interop"}
		if _, err := f.js.UpdateStream(f.ctx, config); err != nil {
			return err
		}
		for range 5 {
			if _, err := f.js.Publish(f.ctx, "go.more", nil); err != nil {
				return err
			}
		}
		state := f.state()
		found := f.stream.CachedInfo().Config
		config.Storage = jetstream.MemoryStorage
		_, err := f.js.UpdateStream(f.ctx, config)
		return errors.Join(
			expect("description", found.Description, "edited"),
			expect("metadata", found.Metadata["owner"], "interop"),
			expect("messages", state.Msgs, 3), expect("first", state.FirstSeq, 3), expect("last", state.LastSeq, 5),
			apiError("storage change", err, 10052))
	})
}

func jsStreamPurge() error {
	return onStream("purge", jetstream.StreamConfig{}, func(f fixture) error {
		if err := errors.Join(f.fill("a", 5), f.fill("b", 5),
			f.stream.Purge(f.ctx, jetstream.WithPurgeSubject("go.purge.a"), jetstream.WithPurgeKeep(1))); err != nil {
			return err
		}
		filtered := f.state().Msgs
		err := f.stream.Purge(f.ctx, jetstream.WithPurgeSequence(8))
		upTo := f.state().Msgs
		err = errors.Join(err, f.stream.Purge(f.ctx))
		state := f.state()
		return errors.Join(err,
			expect("after a filtered purge", filtered, 6),
			expect("after a purge up to a sequence", upTo, 3),
			expect("messages", state.Msgs, 0), expect("first", state.FirstSeq, 11), expect("last", state.LastSeq, 10))
	})
}

func jsStreamList() error {
	return onStream("list", jetstream.StreamConfig{}, func(f fixture) error {
		if err := errors.Join(f.fill("a", 2), f.fill("b", 1)); err != nil {
			return err
		}
		name, err := f.js.StreamNameBySubject(f.ctx, "go.list.a")
		found := false
		for info := range f.js.ListStreams(f.ctx).Info() {
			found = found || info.Config.Name == "GO_list"
		}
		var names []string
		for name := range f.js.StreamNames(f.ctx, jetstream.WithStreamListSubject("go.list.b")).Name() {
			names = append(names, name)
		}
		info, infoErr := f.stream.Info(f.ctx, jetstream.WithSubjectFilter(">"))
		if err := errors.Join(err, infoErr); err != nil {
			return err
		}
		return errors.Join(
			expect("by subject", name, "GO_list"), expect("listed", found, true),
			expect("names", fmt.Sprint(names), "[GO_list]"),
			expect("subjects", fmt.Sprint(info.State.Subjects), "map[go.list.a:2 go.list.b:1]"))
	})
}

func jsPublish() error {
	return onStream("publish", jetstream.StreamConfig{}, func(f fixture) error {
		ack, err := f.js.Publish(f.ctx, "go.publish.one", []byte("one"))
		if err != nil {
			return err
		}
		var futures []jetstream.PubAckFuture
		for range 500 {
			future, err := f.js.PublishAsync("go.publish.many", []byte("m"))
			if err != nil {
				return err
			}
			futures = append(futures, future)
		}
		for i, future := range futures {
			select {
			case ack := <-future.Ok():
				if err := expect("sequence", ack.Sequence, uint64(i+2)); err != nil {
					return err
				}
			case err := <-future.Err():
				return err
			case <-time.After(wait):
				return fmt.Errorf("no ack for message %d", i)
			}
		}
		_, err = f.js.Publish(f.ctx, "go.nostream", nil, jetstream.WithRetryAttempts(0))
		return errors.Join(
			expect("stream", ack.Stream, "GO_publish"), expect("sequence", ack.Sequence, 1),
			expect("no stream", errors.Is(err, jetstream.ErrNoStreamResponse), true))
	})
}

func jsPublishDuplicate() error {
	return onStream("dupe", jetstream.StreamConfig{Duplicates: time.Minute}, func(f fixture) error {
		first, err := f.js.Publish(f.ctx, "go.dupe.x", []byte("1"), jetstream.WithMsgID("id-1"))
		again, err2 := f.js.Publish(f.ctx, "go.dupe.x", []byte("2"), jetstream.WithMsgID("id-1"))
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		return errors.Join(
			expect("the first is a duplicate", first.Duplicate, false),
			expect("the second is", again.Duplicate, true), expect("its sequence", again.Sequence, 1),
			expect("messages", f.state().Msgs, 1))
	})
}

func jsPublishExpected() error {
	return onStream("expect", jetstream.StreamConfig{}, func(f fixture) error {
		publish := func(subject string, options ...jetstream.PublishOpt) error {
			_, err := f.js.Publish(f.ctx, "go.expect."+subject, []byte("x"), options...)
			return err
		}
		accepted := errors.Join(
			publish("a", jetstream.WithExpectStream("GO_expect"), jetstream.WithMsgID("first")),
			publish("a", jetstream.WithExpectLastSequence(1), jetstream.WithMsgID("second")),
			publish("b", jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithExpectLastMsgID("second")),
			publish("c", jetstream.WithExpectLastSequenceForSubject(2, "go.expect.a")))
		wrong := publish("a", jetstream.WithExpectLastSequence(1))
		text := wrong != nil && strings.Contains(wrong.Error(), "wrong last sequence: 4")
		return errors.Join(accepted,
			apiError("wrong last sequence", wrong, 10071), expect("its text", text, true),
			apiError("wrong last subject sequence", publish("a", jetstream.WithExpectLastSequencePerSubject(9)), 10071),
			apiError("wrong last id", publish("a", jetstream.WithExpectLastMsgID("other")), 10070),
			apiError("wrong stream", publish("a", jetstream.WithExpectStream("OTHER")), 10060))
	})
}

func jsMessages() error {
	return onStream("msgs", jetstream.StreamConfig{}, func(f fixture) error {
		message := nats.NewMsg("go.msgs.a")
		message.Header["X-Multi"] = []string{"one", "two"}
		message.Data = []byte("1")
		_, err := f.js.PublishMsg(f.ctx, message)
		if err := errors.Join(err, f.fill("b", 2)); err != nil {
			return err
		}
		found, err := f.stream.GetMsg(f.ctx, 1)
		last, err2 := f.stream.GetLastMsgForSubject(f.ctx, "go.msgs.b")
		next, err3 := f.stream.GetMsg(f.ctx, 2, jetstream.WithGetMsgSubject("go.msgs.b"))
		if err := errors.Join(err, err2, err3, f.stream.DeleteMsg(f.ctx, 2), f.stream.SecureDeleteMsg(f.ctx, 3)); err != nil {
			return err
		}
		_, gone := f.stream.GetMsg(f.ctx, 2)
		info, err := f.stream.Info(f.ctx, jetstream.WithDeletedDetails(true))
		if err != nil {
			return err
		}
		return errors.Join(
			expect("headers", reflect.DeepEqual(found.Header["X-Multi"], []string{"one", "two"}), true),
			expect("subject", found.Subject, "go.msgs.a"), expect("payload", string(found.Data), "1"),
			expect("last", last.Sequence, 3), expect("next", next.Sequence, 2),
			apiError("a deleted message", gone, 10037), expect("messages", info.State.Msgs, 1))
	})
}

func jsDirectGet() error {
	return onStream("direct", jetstream.StreamConfig{AllowDirect: true}, func(f fixture) error {
		if err := errors.Join(f.fill("a", 3), f.fill("b", 1)); err != nil {
			return err
		}
		second, err := f.stream.GetMsg(f.ctx, 2)
		last, err2 := f.stream.GetLastMsgForSubject(f.ctx, "go.direct.b")
		next, err3 := f.stream.GetMsg(f.ctx, 3, jetstream.WithGetMsgSubject("go.direct.*"))
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		_, missing := f.stream.GetMsg(f.ctx, 99)
		return errors.Join(
			expect("by sequence", string(second.Data), "1"), expect("subject", second.Subject, "go.direct.a"),
			expect("by subject", last.Sequence, 4), expect("next", next.Sequence, 3),
			expect("a time", time.Since(last.Time) < time.Minute, true),
			expect("missing", errors.Is(missing, jetstream.ErrMsgNotFound), true))
	})
}

func jsMessageTTL() error {
	return onStream("ttl", jetstream.StreamConfig{AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Second}, func(f fixture) error {
		_, err := f.js.Publish(f.ctx, "go.ttl.short", nil, jetstream.WithMsgTTL(time.Second))
		if err != nil {
			return err
		}
		for deadline := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
			marker, err := f.stream.GetLastMsgForSubject(f.ctx, "go.ttl.short")
			if err == nil && marker.Sequence == 2 {
				return expect("marker", marker.Header.Get("Nats-Marker-Reason"), "MaxAge")
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the message did not expire: %v, %v", marker, err)
			}
		}
	})
}

func jsCounter() error {
	config := jetstream.StreamConfig{AllowMsgCounter: true, AllowDirect: true}
	return onStream("counter", config, func(f fixture) error {
		add := func(delta string) (*jetstream.PubAck, error) {
			message := nats.NewMsg("go.counter.hits")
			message.Header.Set("Nats-Incr", delta)
			return f.js.PublishMsg(f.ctx, message)
		}
		for _, step := range [][2]string{{"+5", "5"}, {"-7", "-2"}, {"100000000000000000000", "99999999999999999998"}} {
			ack, err := add(step[0])
			if err != nil {
				return err
			}
			if err := expect("total in the ack", ack.Value, step[1]); err != nil {
				return err
			}
		}
		last, err := f.stream.GetLastMsgForSubject(f.ctx, "go.counter.hits")
		if err != nil {
			return err
		}
		_, err = add("many")
		return errors.Join(
			expect("stored", string(last.Data), `{"val":"99999999999999999998"}`),
			apiError("a bad increment", err, 10171))
	})
}

// jsBatch sends what a batch publisher would: the client has none.
func jsBatch() error {
	return onStream("batch", jetstream.StreamConfig{AllowAtomicPublish: true}, func(f fixture) error {
		part := func(sequence int, commit bool) *nats.Msg {
			message := nats.NewMsg("go.batch." + strconv.Itoa(sequence))
			message.Header.Set("Nats-Batch-Id", "go-batch")
			message.Header.Set("Nats-Batch-Sequence", strconv.Itoa(sequence))
			if commit {
				message.Header.Set("Nats-Batch-Commit", "1")
			}
			return message
		}
		opened, err := f.nc.RequestMsg(part(1, false), wait)
		if err := errors.Join(err, f.nc.PublishMsg(part(2, false))); err != nil {
			return err
		}
		before := f.state().Msgs
		ack, err := f.js.PublishMsg(f.ctx, part(3, true))
		if err != nil {
			return err
		}
		return errors.Join(
			expect("answer to the first", len(opened.Data), 0), expect("before the commit", before, 0),
			expect("sequence of the commit", ack.Sequence, 3), expect("after the commit", f.state().Msgs, 3))
	})
}

func jsErrors() error {
	return onStream("errors", jetstream.StreamConfig{}, func(f fixture) error {
		_, noStream := f.js.Stream(f.ctx, "GO_NONE")
		_, inUse := f.js.CreateStream(f.ctx, jetstream.StreamConfig{Name: "GO_errors", Subjects: []string{"go.else"}})
		_, overlap := f.js.CreateStream(f.ctx, jetstream.StreamConfig{Name: "GO_OTHER", Subjects: []string{"go.errors.x"}})
		_, noConsumer := f.stream.Consumer(f.ctx, "none")
		_, badConsumer := f.stream.CreateConsumer(f.ctx, jetstream.ConsumerConfig{
			Durable: "c", MaxDeliver: 1, BackOff: []time.Duration{time.Second, 2 * time.Second}})
		return errors.Join(
			expect("no stream", errors.Is(noStream, jetstream.ErrStreamNotFound), true),
			expect("name in use", errors.Is(inUse, jetstream.ErrStreamNameAlreadyInUse), true),
			apiError("overlap", overlap, 10065),
			expect("no consumer", errors.Is(noConsumer, jetstream.ErrConsumerNotFound), true),
			apiError("bad consumer", badConsumer, 10116))
	})
}

// jsSurvivesKill publishes, kills the server, and finds everything acknowledged.
func jsSurvivesKill() error {
	nc, err := connect(env("RESTART_URL"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		func(o *nats.Options) error { o.AllowReconnect = true; return nil })
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(wait))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkDeadline)
	defer cancel()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "GO_KILL", Subjects: []string{"go.kill.>"}})
	if err != nil {
		return err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "survivor"})
	if err != nil {
		return err
	}
	for i := range 50 {
		if _, err := js.Publish(ctx, "go.kill.x", []byte(strconv.Itoa(i)), jetstream.WithMsgID("kill-"+strconv.Itoa(i))); err != nil {
			return err
		}
	}
	if err := errors.Join(control("kill"), control("start")); err != nil {
		return err
	}
	var again *jetstream.PubAck
	for deadline := time.Now().Add(wait); again == nil; {
		short, cancel := context.WithTimeout(ctx, time.Second)
		again, err = js.Publish(short, "go.kill.x", []byte("49"), jetstream.WithMsgID("kill-49"))
		cancel()
		if err != nil && time.Now().After(deadline) {
			return err
		}
	}
	batch, err := consumer.Fetch(51, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		return err
	}
	count := 0
	for message := range batch.Messages() {
		if err := expect("payload", string(message.Data()), strconv.Itoa(count)); err != nil {
			return err
		}
		count++
	}
	return errors.Join(expect("a duplicate after the kill", again.Duplicate, true), expect("messages", count, 50))
}
