package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var storeChecks = []check{
	{"kv_put_get", kvPutGet},
	{"kv_revisions", kvRevisions},
	{"kv_delete_purge", kvDeletePurge},
	{"kv_history", kvHistory},
	{"kv_watch", kvWatch},
	{"kv_keys", kvKeys},
	{"kv_ttl", kvTTL},
	{"object_put_get", objectPutGet},
	{"object_list_delete", objectListDelete},
	{"object_watch", objectWatch},
}

const objectBytes = 10 << 20

func onBucket(config jetstream.KeyValueConfig, body func(ctx context.Context, kv jetstream.KeyValue) error) error {
	return onJetStream(func(ctx context.Context, _ *nats.Conn, js jetstream.JetStream) error {
		kv, err := js.CreateKeyValue(ctx, config)
		if err != nil {
			return err
		}
		return errors.Join(body(ctx, kv), js.DeleteKeyValue(ctx, config.Bucket))
	})
}

func onObjects(name string, body func(ctx context.Context, store jetstream.ObjectStore) error) error {
	return onJetStream(func(ctx context.Context, _ *nats.Conn, js jetstream.JetStream) error {
		store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name})
		if err != nil {
			return err
		}
		return errors.Join(body(ctx, store), js.DeleteObjectStore(ctx, name))
	})
}

// entry describes an entry as key=value@revision OPERATION.
func entry(e jetstream.KeyValueEntry, err error) string {
	if err != nil {
		return err.Error()
	}
	if e == nil {
		return "end"
	}
	return fmt.Sprintf("%s=%s@%d %s", e.Key(), e.Value(), e.Revision(), e.Operation())
}

const put, deleted, purged = "KeyValuePutOp", "KeyValueDeleteOp", "KeyValuePurgeOp"

func kvPutGet() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_basic"}, func(ctx context.Context, kv jetstream.KeyValue) error {
		first, err := kv.Put(ctx, "a.b", []byte("one"))
		second, err2 := kv.Put(ctx, "a.b", []byte("two"))
		status, err3 := kv.Status(ctx)
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		_, missing := kv.Get(ctx, "none")
		return errors.Join(expect("revisions", first+second, 3),
			expect("entry", entry(kv.Get(ctx, "a.b")), "a.b=two@2 "+put),
			expect("missing", errors.Is(missing, jetstream.ErrKeyNotFound), true),
			expect("values", status.Values(), 1), expect("history", status.History(), 1))
	})
}

func kvRevisions() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_revisions", History: 5}, func(ctx context.Context, kv jetstream.KeyValue) error {
		first, err := kv.Create(ctx, "key", []byte("1"))
		_, exists := kv.Create(ctx, "key", []byte("x"))
		_, err2 := kv.Update(ctx, "key", []byte("2"), first)
		_, old := kv.Update(ctx, "key", []byte("x"), first)
		return errors.Join(err, err2,
			expect("created twice", errors.Is(exists, jetstream.ErrKeyExists), true),
			apiError("an old revision", old, 10071),
			expect("get of a revision", entry(kv.GetRevision(ctx, "key", first)), "key=1@1 "+put))
	})
}

func kvDeletePurge() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_delete", History: 5}, func(ctx context.Context, kv jetstream.KeyValue) error {
		_, err := kv.Put(ctx, "key", []byte("1"))
		wrong := kv.Delete(ctx, "key", jetstream.LastRevision(7))
		err = errors.Join(err, kv.Delete(ctx, "key", jetstream.LastRevision(1)))
		_, gone := kv.Get(ctx, "key")
		revision, err2 := kv.Create(ctx, "key", []byte("3"))
		history, err3 := kv.History(ctx, "key")
		if err := errors.Join(err, err2, err3, kv.Purge(ctx, "key")); err != nil {
			return err
		}
		after, err := kv.History(ctx, "key")
		if err := errors.Join(err, kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1))); err != nil {
			return err
		}
		status, err := kv.Status(ctx)
		if err != nil {
			return err
		}
		return errors.Join(apiError("delete of another revision", wrong, 10071),
			expect("gone", errors.Is(gone, jetstream.ErrKeyNotFound), true), expect("created again", revision, 3),
			expect("history", len(history), 3), expect("marker", entry(history[1], nil), "key=@2 "+deleted),
			expect("after the purge", len(after), 1), expect("purge marker", entry(after[0], nil), "key=@4 "+purged),
			expect("values left", status.Values(), 0))
	})
}

func kvHistory() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_history", History: 3}, func(ctx context.Context, kv jetstream.KeyValue) error {
		for _, value := range []string{"0", "1", "2", "3", "4"} {
			if _, err := kv.PutString(ctx, "key", value); err != nil {
				return err
			}
		}
		history, err := kv.History(ctx, "key")
		if err != nil {
			return err
		}
		var found []string
		for _, e := range history {
			found = append(found, fmt.Sprintf("%s@%d+%d", e.Value(), e.Revision(), e.Delta()))
		}
		return expect("history", strings.Join(found, " "), "2@3+2 3@4+1 4@5+0")
	})
}

func kvWatch() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_watch"}, func(ctx context.Context, kv jetstream.KeyValue) error {
		for _, key := range []string{"w.a", "w.b", "v.c"} {
			if _, err := kv.PutString(ctx, key, "1"); err != nil {
				return err
			}
		}
		watcher, err := kv.Watch(ctx, "w.*")
		if err != nil {
			return err
		}
		both, err := kv.WatchFiltered(ctx, []string{"v.*", "w.a"}, jetstream.UpdatesOnly())
		if err != nil {
			return err
		}
		var found []string
		take := func(watcher jetstream.KeyWatcher) { found = append(found, entry(await("update", watcher.Updates()))) }
		for range 3 {
			take(watcher)
		}
		_, err = kv.PutString(ctx, "v.c", "4")
		_, err2 := kv.PutString(ctx, "w.a", "5")
		if err := errors.Join(err, err2, kv.Delete(ctx, "w.b")); err != nil {
			return err
		}
		for _, watcher := range []jetstream.KeyWatcher{watcher, watcher, both, both} {
			take(watcher)
		}
		want := []string{"w.a=1@1 " + put, "w.b=1@2 " + put, "end", "w.a=5@5 " + put, "w.b=@6 " + deleted,
			"v.c=4@4 " + put, "w.a=5@5 " + put}
		return errors.Join(watcher.Stop(), both.Stop(),
			expect("updates", strings.Join(found, ", "), strings.Join(want, ", ")))
	})
}

func kvKeys() error {
	return onBucket(jetstream.KeyValueConfig{Bucket: "GO_keys"}, func(ctx context.Context, kv jetstream.KeyValue) error {
		_, none := kv.Keys(ctx)
		for _, key := range []string{"a", "b.c", "d"} {
			if _, err := kv.PutString(ctx, key, "x"); err != nil {
				return err
			}
		}
		err := kv.Delete(ctx, "d")
		keys, err2 := kv.Keys(ctx)
		lister, err3 := kv.ListKeysFiltered(ctx, "b.*")
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		sort.Strings(keys)
		var filtered []string
		for key := range lister.Keys() {
			filtered = append(filtered, key)
		}
		return errors.Join(expect("no keys", errors.Is(none, jetstream.ErrNoKeysFound), true),
			expect("keys", fmt.Sprint(keys), "[a b.c]"), expect("filtered", fmt.Sprint(filtered), "[b.c]"))
	})
}

func kvTTL() error {
	config := jetstream.KeyValueConfig{Bucket: "GO_ttl", LimitMarkerTTL: time.Minute}
	return onBucket(config, func(ctx context.Context, kv jetstream.KeyValue) error {
		watcher, err := kv.Watch(ctx, "short")
		if err != nil {
			return err
		}
		_, err = kv.Create(ctx, "short", []byte("x"), jetstream.KeyTTL(time.Second))
		var found []string
		for range 3 {
			found = append(found, entry(await("update", watcher.Updates())))
		}
		return errors.Join(err, watcher.Stop(),
			expect("updates", strings.Join(found, ", "), "end, short=x@1 "+put+", short=@2 "+purged))
	})
}

func objectPutGet() error {
	contents := make([]byte, objectBytes)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(contents)
	sum := sha256.Sum256(contents)
	return onObjects("GO_objects", func(ctx context.Context, store jetstream.ObjectStore) error {
		info, err := store.PutBytes(ctx, "big file.bin", contents)
		if err != nil {
			return err
		}
		found, err := store.GetBytes(ctx, "big file.bin")
		_, err2 := store.AddLink(ctx, "link", info)
		linked, err3 := store.GetInfo(ctx, "link")
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		_, missing := store.GetBytes(ctx, "none")
		return errors.Join(
			expect("size", info.Size, objectBytes), expect("chunks", info.Chunks, objectBytes/(128<<10)),
			expect("digest", info.Digest, "SHA-256="+base64.URLEncoding.EncodeToString(sum[:])),
			expect("the same bytes", bytes.Equal(found, contents), true),
			expect("link", linked.Opts.Link.Name, "big file.bin"),
			expect("missing", errors.Is(missing, jetstream.ErrObjectNotFound), true))
	})
}

func objectListDelete() error {
	return onObjects("GO_objlist", func(ctx context.Context, store jetstream.ObjectStore) error {
		for _, name := range []string{"one", "two", "three", "one"} {
			if _, err := store.PutString(ctx, name, strings.Repeat(name, 1000)); err != nil {
				return err
			}
		}
		err := errors.Join(store.Delete(ctx, "two"), store.UpdateMeta(ctx, "three", jetstream.ObjectMeta{Name: "drei"}))
		list, err2 := store.List(ctx)
		status, err3 := store.Status(ctx)
		if err := errors.Join(err, err2, err3, store.Seal(ctx)); err != nil {
			return err
		}
		var names []string
		for _, info := range list {
			names = append(names, info.Name)
		}
		sort.Strings(names)
		_, late := store.PutString(ctx, "late", "x")
		return errors.Join(expect("list", fmt.Sprint(names), "[drei one]"),
			expect("bytes are left", status.Size() > 0, true), expect("sealed", late != nil, true))
	})
}

func objectWatch() error {
	return onObjects("GO_objwatch", func(ctx context.Context, store jetstream.ObjectStore) error {
		if _, err := store.PutString(ctx, "first", "1"); err != nil {
			return err
		}
		watcher, err := store.Watch(ctx)
		if err != nil {
			return err
		}
		var found []string
		take := func() {
			info, err := await("update", watcher.Updates())
			switch {
			case err != nil:
				found = append(found, err.Error())
			case info == nil:
				found = append(found, "end")
			default:
				found = append(found, fmt.Sprintf("%s/%d/%t", info.Name, info.Size, info.Deleted))
			}
		}
		take()
		take()
		_, err = store.PutString(ctx, "second", "22")
		err = errors.Join(err, store.Delete(ctx, "first"))
		take()
		take()
		return errors.Join(err, watcher.Stop(),
			expect("updates", strings.Join(found, " "), "first/1/false end second/2/false first/0/true"))
	})
}
