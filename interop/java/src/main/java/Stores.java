import io.nats.client.KeyValue;
import io.nats.client.KeyValueManagement;
import io.nats.client.MessageTtl;
import io.nats.client.ObjectStore;
import io.nats.client.ObjectStoreManagement;
import io.nats.client.api.KeyValueConfiguration;
import io.nats.client.api.KeyValueEntry;
import io.nats.client.api.KeyValueWatcher;
import io.nats.client.api.ObjectInfo;
import io.nats.client.api.ObjectStoreConfiguration;
import io.nats.client.api.ObjectStoreWatcher;
import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Key-value buckets and object stores on the server with JetStream. */
final class Stores {
    private static final int OBJECT_BYTES = 10 * 1024 * 1024;

    private Stores() {}

    static void addTo(Map<String, Main.Check> checks) {
        checks.put("kv_put_get", () -> onBucket("basic", 1, Stores::putGet));
        checks.put("kv_revisions", () -> onBucket("revisions", 5, Stores::revisions));
        checks.put("kv_delete_purge", () -> onBucket("delete", 5, Stores::deletePurge));
        checks.put("kv_history", () -> onBucket("history", 3, Stores::history));
        checks.put("kv_watch", () -> onBucket("watch", 1, Stores::watch));
        checks.put("kv_keys", () -> onBucket("keys", 1, Stores::keys));
        checks.put("kv_ttl", () -> onBucket("ttl", 1, Stores::ttl));
        checks.put("object_put_get", () -> onObjects("objects", Stores::objectPutGet));
        checks.put("object_list_delete", () -> onObjects("list", Stores::objectListDelete));
        checks.put("object_watch", () -> onObjects("watch", Stores::objectWatch));
    }

    /** Something to do with a bucket. */
    interface BucketBody {
        void run(KeyValue kv) throws Exception;
    }

    /** Something to do with an object store. */
    interface StoreBody {
        void run(ObjectStore store) throws Exception;
    }

    private static void onBucket(String label, int history, BucketBody body) throws Exception {
        Harness.with(Harness.options("JETSTREAM_URL"), nc -> {
            KeyValueManagement management = nc.keyValueManagement();
            String name = "JAVA_" + label;
            management.create(KeyValueConfiguration.builder().name(name).maxHistoryPerKey(history)
                    .limitMarker(Duration.ofMinutes(1)).build());
            body.run(nc.keyValue(name));
            management.delete(name);
        });
    }

    private static void onObjects(String label, StoreBody body) throws Exception {
        Harness.with(Harness.options("JETSTREAM_URL"), nc -> {
            ObjectStoreManagement management = nc.objectStoreManagement();
            String name = "JAVA_" + label;
            management.create(ObjectStoreConfiguration.builder().name(name).build());
            body.run(nc.objectStore(name));
            management.delete(name);
        });
    }

    private static String show(KeyValueEntry entry) {
        String value = entry.getValueAsString() == null ? "" : entry.getValueAsString();
        return entry.getKey() + "=" + value + "@" + entry.getRevision() + " " + entry.getOperation().name();
    }

    /** Collects what a watch brings. */
    private static final class Updates {
        private final BlockingQueue<String> seen = new LinkedBlockingQueue<>();

        KeyValueWatcher ofBucket() {
            return new KeyValueWatcher() {
                @Override
                public void watch(KeyValueEntry entry) {
                    seen.add(show(entry));
                }

                @Override
                public void endOfData() {
                    seen.add("end");
                }
            };
        }

        ObjectStoreWatcher ofStore() {
            return new ObjectStoreWatcher() {
                @Override
                public void watch(ObjectInfo info) {
                    seen.add(info.getObjectName() + "/" + info.getSize() + "/" + info.isDeleted());
                }

                @Override
                public void endOfData() {
                    seen.add("end");
                }
            };
        }

        void expect(String... wanted) throws Exception {
            List<String> found = new ArrayList<>();
            for (int i = 0; i < wanted.length; i++) {
                found.add(seen.poll(Harness.WAIT.toMillis(), TimeUnit.MILLISECONDS));
            }
            Harness.expect("updates", found, Arrays.asList(wanted));
        }
    }

    private static void putGet(KeyValue kv) throws Exception {
        Harness.expect("revision", kv.put("a.b", "one"), 1L);
        Harness.expect("revision", kv.put("a.b", "two"), 2L);
        Harness.expect("entry", show(kv.get("a.b")), "a.b=two@2 PUT");
        Harness.expect("missing", kv.get("none"), null);
        Harness.expect("values", kv.getStatus().getEntryCount(), 1L);
    }

    private static void revisions(KeyValue kv) throws Exception {
        long first = kv.create("key", Harness.bytes("1"));
        Streams.refused("created twice", () -> kv.create("key", Harness.bytes("x")), 10071);
        kv.update("key", "2", first);
        Streams.refused("an old revision", () -> kv.update("key", "x", first), 10071);
        Harness.expect("get of a revision", show(kv.get("key", first)), "key=1@1 PUT");
    }

    private static List<String> history(KeyValue kv, String key) throws Exception {
        return kv.history(key).stream().map(Stores::show).toList();
    }

    private static void deletePurge(KeyValue kv) throws Exception {
        kv.put("key", "1");
        Streams.refused("delete of another revision", () -> kv.delete("key", 7), 10071);
        kv.delete("key", 1);
        Harness.expect("deleted", kv.get("key"), null);
        Harness.expect("history", history(kv, "key"), List.of("key=1@1 PUT", "key=@2 DELETE"));
        Harness.expect("created again", kv.create("key", Harness.bytes("3")), 3L);
        kv.purge("key");
        Harness.expect("after the purge", history(kv, "key"), List.of("key=@4 PURGE"));
    }

    private static void history(KeyValue kv) throws Exception {
        for (int i = 0; i < 5; i++) {
            kv.put("key", String.valueOf(i));
        }
        Harness.expect("history", history(kv, "key"), List.of("key=2@3 PUT", "key=3@4 PUT", "key=4@5 PUT"));
    }

    private static void watch(KeyValue kv) throws Exception {
        for (String key : List.of("w.a", "w.b", "v.c")) {
            kv.put(key, "1");
        }
        Updates one = new Updates();
        Updates many = new Updates();
        try (AutoCloseable first = kv.watch("w.*", one.ofBucket());
                AutoCloseable second = kv.watch(List.of("v.*", "w.a"), many.ofBucket())) {
            one.expect("w.a=1@1 PUT", "w.b=1@2 PUT", "end");
            many.expect("w.a=1@1 PUT", "v.c=1@3 PUT", "end");
            kv.put("v.c", "4");
            kv.put("w.a", "5");
            kv.delete("w.b");
            one.expect("w.a=5@5 PUT", "w.b=@6 DELETE");
            many.expect("v.c=4@4 PUT", "w.a=5@5 PUT");
        }
    }

    private static void keys(KeyValue kv) throws Exception {
        Harness.expect("no keys", kv.keys(), List.of());
        for (String key : List.of("a", "b.c", "d")) {
            kv.put(key, "x");
        }
        kv.delete("d");
        Harness.expect("keys", kv.keys().stream().sorted().toList(), List.of("a", "b.c"));
        Harness.expect("filtered", kv.keys("b.*"), List.of("b.c"));
    }

    private static void ttl(KeyValue kv) throws Exception {
        Updates updates = new Updates();
        try (AutoCloseable watch = kv.watch("short", updates.ofBucket())) {
            kv.create("short", Harness.bytes("x"), MessageTtl.seconds(1));
            updates.expect("end", "short=x@1 PUT", "short=@2 PURGE");
        }
    }

    private static void objectPutGet(ObjectStore store) throws Exception {
        byte[] contents = new byte[OBJECT_BYTES];
        new Random(7).nextBytes(contents);
        ObjectInfo info = store.put("big file.bin", contents);
        Harness.expect("size", info.getSize(), (long) OBJECT_BYTES);
        Harness.expect("chunks", info.getChunks(), (long) OBJECT_BYTES / (128 * 1024));
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(contents);
        Harness.expect("digest", info.getDigest(), "SHA-256=" + Base64.getUrlEncoder().encodeToString(digest));
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        store.get("big file.bin", found);
        Harness.expect("the same bytes", Arrays.equals(found.toByteArray(), contents), true);
        Harness.expect("link", store.addLink("link", info).getLink().getObjectName(), "big file.bin");
        Harness.expect("missing", store.getInfo("none"), null);
    }

    private static void objectListDelete(ObjectStore store) throws Exception {
        for (String name : List.of("one", "two", "three", "one")) {
            store.put(name, Harness.bytes(name.repeat(1000)));
        }
        Harness.expect("deleted", store.delete("two").isDeleted(), true);
        List<String> names = store.getList().stream().map(ObjectInfo::getObjectName).sorted().toList();
        Harness.expect("list", names, List.of("one", "three"));
        Harness.expect("sealed", store.seal().isSealed(), true);
        Streams.refused("put into a sealed store", () -> store.put("late", Harness.bytes("x")), 10109);
    }

    private static void objectWatch(ObjectStore store) throws Exception {
        store.put("first", Harness.bytes("1"));
        Updates updates = new Updates();
        try (AutoCloseable watch = store.watch(updates.ofStore())) {
            updates.expect("first/1/false", "end");
            store.put("second", Harness.bytes("22"));
            store.delete("first");
            updates.expect("second/2/false", "first/0/true");
        }
    }
}
