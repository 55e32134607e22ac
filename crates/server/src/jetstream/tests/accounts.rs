//! JetStream of several accounts of one server: what is shared, what is not, and how it comes and
//! goes.

use cognate_config::{MemorySource, Options, load};

use super::*;

/// A server with accounts, on a directory that outlives it.
struct Accounts {
    server: Server,
    directory: Arc<TempDir>,
}

/// The text of a configuration with these accounts; each has a user of its name.
fn options(directory: &TempDir, limits: &str, accounts: &[(&str, &str)]) -> Options {
    let store = directory.path().display();
    let mut text = format!("jetstream {{ store_dir: \"{store}\"\n{limits} }}\naccounts {{\n");
    for (name, more) in accounts {
        let user = name.escape_default();
        text.push_str(&format!(
            "\"{user}\" {{ users: [{{user: \"{user}\", password: p}}]\n{more} }}\n"
        ));
    }
    text.push('}');
    let source = MemorySource::new().with_file("server.conf", text);
    let loaded = load("server.conf", &source);
    let mut options = loaded
        .map(|loaded| loaded.options)
        .unwrap_or_else(|error| panic!("{error}"));
    options.dont_listen = true;
    options
}

impl Accounts {
    async fn start(limits: &str, accounts: &[(&str, &str)]) -> Self {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::start_in(directory, limits, accounts).await
    }

    async fn start_in(directory: Arc<TempDir>, limits: &str, accounts: &[(&str, &str)]) -> Self {
        let options = options(&directory, limits, accounts);
        let server = Server::builder().options(options).start().await;
        Accounts {
            server: server.expect("a server"),
            directory,
        }
    }

    fn reload(&self, limits: &str, accounts: &[(&str, &str)]) -> Result<(), String> {
        let options = options(&self.directory, limits, accounts);
        let reloaded = self.server.reload(options);
        reloaded.map(drop).map_err(|failure| failure.to_string())
    }

    fn jetstream(&self) -> Arc<JetStream> {
        let jetstream = self.server.shared.jetstream.read().clone();
        jetstream.expect("JetStream is on")
    }

    async fn client(&self, account: &str) -> LocalClient {
        let client = self.server.connect_local_as(account, "p").await;
        client.expect("a client")
    }
}

async fn ask(client: &LocalClient, subject: &str, body: &str) -> String {
    let answer = within(subject, client.request(subject, body.as_bytes())).await;
    let payload = answer.map(|answer| answer.payload);
    String::from_utf8_lossy(&payload.unwrap_or_else(|error| error.to_string().into_bytes()))
        .into_owned()
}

async fn create(client: &LocalClient, name: &str, more: &str) -> String {
    let body = format!(r#"{{"name":"{name}","subjects":["{name}"]{more}}}"#);
    ask(client, &format!("$JS.API.STREAM.CREATE.{name}"), &body).await
}

const ON: &str = "jetstream: enabled";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_name_have_nothing_in_common_before_and_after_a_restart() {
    let both = [("A", ON), ("B", ON)];
    let rig = Accounts::start("", &both).await;
    let (a, b) = (rig.client("A").await, rig.client("B").await);
    for (client, count) in [(&a, 2), (&b, 1)] {
        assert!(create(client, "S", "").await.contains("did_create"));
        for _ in 0..count {
            assert!(ask(client, "S", "x").await.contains(r#""seq":"#));
        }
    }
    let usages = rig.jetstream();
    let usage = |name| {
        usages
            .of_name(name)
            .expect("JetStream")
            .usage
            .bytes(StorageType::File)
    };
    assert_eq!((usage("A"), usage("B")), (64, 32));
    assert_eq!(usages.usage.bytes(StorageType::File), 96);
    rig.server.shutdown().await;
    // Only one of them is there for a while; what the other has stays.
    let rig = Accounts::start_in(rig.directory, "", &[("A", ON)]).await;
    assert!(rig.jetstream().of_name("B").is_none());
    rig.server.shutdown().await;
    let rig = Accounts::start_in(rig.directory, "", &both).await;
    for (name, messages) in [("A", 2), ("B", 1)] {
        let client = rig.client(name).await;
        let info = ask(&client, "$JS.API.STREAM.INFO.S", "").await;
        assert!(
            info.contains(&format!(r#""messages":{messages},"#)),
            "{name}: {info}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_account_leaves_the_store() {
    let names = ["..", "a/../../b", "LOCK", "x y"];
    let rig = Accounts::start("", &names.map(|name| (name, ON))).await;
    for name in names {
        let client = rig.client(name).await;
        let made = create(&client, "S", "").await;
        assert!(made.contains("did_create"), "{name}: {made}");
    }
    let inside = |path: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(path).expect("a directory").flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(inside(rig.directory.path()), ["jetstream"]);
    let accounts = inside(&rig.directory.path().join("jetstream"));
    assert_eq!(
        accounts,
        ["%2E.", "%4COCK", "LOCK", "a%2F..%2F..%2Fb", "x%20y"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_account_reserves_another_cannot_have() {
    let rig = Accounts::start("max_file: 10K", &[("A", ON), ("B", ON)]).await;
    let (a, b) = (rig.client("A").await, rig.client("B").await);
    assert!(
        create(&a, "S", r#","max_bytes":6000"#)
            .await
            .contains("did_create")
    );
    let refused = create(&b, "S", r#","max_bytes":6000"#).await;
    assert!(refused.contains("10047"), "{refused}");
    ask(&a, "$JS.API.STREAM.DELETE.S", "").await;
    assert!(
        create(&b, "S", r#","max_bytes":6000"#)
            .await
            .contains("did_create")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_costs_nothing_until_somebody_is_there() {
    let names: Vec<String> = (0..200).map(|at| format!("N{at}")).collect();
    let mut accounts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    accounts.push(("A", ON));
    let rig = Accounts::start("", &accounts).await;
    let jetstream = rig.jetstream();
    assert_eq!(jetstream.accounts().len(), 1);
    let subscriptions = |name: &str| {
        let account = rig.server.shared.accounts.get(name).expect("an account");
        let interest = account.interest();
        let mut count = 0;
        interest.for_each(|sub| count += usize::from(sub.subject().starts_with(b"$JS.API")));
        count
    };
    assert_eq!(
        (subscriptions("N0"), subscriptions("A")),
        (0, api::SUBJECTS.len())
    );
    let client = rig.client("N0").await;
    let refused = ask(&client, "$JS.API.INFO", "").await;
    assert!(refused.contains("10039"), "{refused}");
    assert_eq!((subscriptions("N1"), jetstream.heard.lock().len()), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
#[expect(
    clippy::await_holding_lock,
    reason = "that is what a disk that hangs does"
)]
async fn an_account_that_has_jetstream_again_waits_for_the_streams_it_had() {
    let rig = Accounts::start("", &[("A", ON), ("B", ON)]).await;
    let (a, b) = (rig.client("A").await, rig.client("B").await);
    create(&a, "S", "").await;
    ask(&a, "S", "kept").await;
    let hung = rig
        .jetstream()
        .of_name("A")
        .expect("JetStream")
        .stream("S")
        .expect("a stream");
    let disk = hung.group.lock();
    rig.reload("", &[("A", ""), ("B", ON)])
        .expect("it can be switched off");
    let refused = ask(&a, "$JS.API.STREAM.NAMES", "").await;
    assert!(refused.contains("10039"), "{refused}");
    rig.reload("", &[("A", ON), ("B", ON)])
        .expect("it can be switched on");
    let waiting = a.request("$JS.API.STREAM.INFO.S", b"");
    tokio::pin!(waiting);
    // Others go on meanwhile, longer than a stream is waited for that does not close.
    let deadline = tokio::time::Instant::now() + assets::CLOSE_WAIT * 2;
    while tokio::time::Instant::now() < deadline {
        assert!(!ask(&b, "$JS.API.INFO", "").await.contains("error\":{"));
        let early = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
        assert!(early.is_err(), "the directory is used by two at a time");
    }
    drop(disk);
    let info = within("the streams to be there again", waiting)
        .await
        .expect("an answer");
    let info = String::from_utf8_lossy(&info.payload).into_owned();
    assert!(info.contains(r#""messages":1,"#), "{info}");
    assert!(ask(&a, "S", "more").await.contains(r#""seq":2"#));
    let usage = rig
        .jetstream()
        .of_name("A")
        .expect("JetStream")
        .usage
        .bytes(StorageType::File);
    assert_eq!(
        rig.jetstream().usage.bytes(StorageType::File),
        usage,
        "nothing counts twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_promises_too_much_changes_nothing() {
    let limits = "max_file: 10K";
    let rig = Accounts::start(limits, &[("A", "jetstream: {max_file: 5K}")]).await;
    let refused = rig.reload(
        limits,
        &[
            ("A", "jetstream: {max_file: 5K}"),
            ("B", "jetstream: {max_file: 6K}"),
        ],
    );
    let refused = refused.expect_err("it is too much");
    assert!(
        refused.ends_with("insufficient storage resources available"),
        "{refused}"
    );
    assert!(rig.server.shared.accounts.get("B").is_none());
    let more = [
        ("A", "jetstream: {max_file: 5K}"),
        ("B", "jetstream: {max_file: 4K}"),
    ];
    assert_eq!(rig.reload(limits, &more), Ok(()));
    let b = rig.client("B").await;
    let info = ask(&b, "$JS.API.INFO", "").await;
    assert!(info.contains(r#""max_storage":4000"#), "{info}");
}
