//! Accounts, auth callout and operator mode: from text to typed options.
//!
//! The digests are those that nats-server 2.14.5 prints for the same files.

use cognate_config::options::{
    Access, Account, AccountJetStream, AccountLimits, AuthCallout, Authorization, ClusterTraffic,
    Credential, DEFAULT_FETCH_TIMEOUT, DeletePolicy, Export, FullResolver, Import, Latency,
    LatencySampling, MessageTrace, OcspCacheKind, OcspCacheOptions, OcspMode, OcspOptions,
    Permissions, Resolver, ResponseType, Secret, ServiceExport, ServiceImport, StreamExport,
    StreamImport, SubjectList, SubjectPermission, TlsOptions, User,
};
use cognate_config::{Loaded, MemorySource, Missing, Options, load_with};
use cognate_subject::{Mapping, MappingDestination};
use std::time::Duration;

const ACCOUNT: &str = "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HD";
const ACCOUNT2: &str = "ADFJHLAXAUMHA4OWPOB4P7YO72AQR2HMIUYFOXLXE2DZGM633K7HZVXK";
const USER: &str = "UBXHUHG5FGYLPD6RHL2MKWMP572O6KUXCZXDZJXS4T57ZTMAKBN7CEDX";
const CURVE: &str = "XADAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDANPAC";

fn loaded(name: &str, text: &str) -> Loaded {
    let source = MemorySource::new()
        .with_file(name, text)
        .with_file("operator.jwt", include_str!("files/operator.jwt"));
    load_with(name, &source, Missing::Accept).unwrap_or_else(|error| panic!("{name}:\n{error}"))
}

/// Compares a file's options and digest.
fn check(name: &str, text: &str, digest: &str, expected: Options) {
    let found = loaded(name, text);
    let expected = Options {
        config_file: Some(name.to_owned()),
        config_digest: Some(digest.to_owned()),
        ..expected
    };
    assert_eq!(found.options, expected);
    assert_eq!(found.digest, digest);
}

fn options(text: &str) -> Options {
    loaded("f", text).options
}

fn key(name: &str) -> &'static str {
    let mut keys = include_str!("verdicts/keys.txt").lines();
    let found = keys.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    found.unwrap_or_else(|| panic!("no key {name}"))
}

fn user(name: &str, password: &str, permissions: Option<Permissions>) -> User {
    User::Password {
        user: name.to_owned(),
        password: Secret::new(password),
        permissions,
        allowed_connection_types: Vec::new(),
        proxy_required: false,
    }
}

fn service(subject: &str, access: Access) -> ServiceExport {
    ServiceExport {
        subject: subject.to_owned(),
        access,
        response_type: ResponseType::Singleton,
        response_threshold: Duration::from_secs(120),
        latency: None,
        allow_trace: false,
    }
}

fn stream(subject: &str, access: Access) -> Export {
    Export::Stream(StreamExport {
        subject: subject.to_owned(),
        access,
    })
}

fn latency(sampling: u8, subject: &str) -> Option<Latency> {
    Some(Latency {
        sampling: LatencySampling::Percent(sampling),
        subject: subject.to_owned(),
    })
}

fn orders() -> Account {
    let limited = Permissions {
        publish: Some(SubjectPermission {
            allow: None,
            deny: ["admin.>"].into(),
        }),
        ..Permissions::default()
    };
    Account {
        name: "ORDERS".to_owned(),
        nkey: Some(ACCOUNT.to_owned()),
        users: vec![
            user("orders", "o", Some(limited.clone())),
            User::Nkey {
                nkey: USER.to_owned(),
                permissions: Some(Permissions {
                    subscribe: Some(SubjectPermission {
                        allow: Some(["orders.>"].into()),
                        deny: SubjectList::default(),
                    }),
                    ..Permissions::default()
                }),
                allowed_connection_types: Vec::new(),
                proxy_required: true,
            },
        ],
        default_permissions: Some(limited),
        exports: order_exports(),
        imports: Vec::new(),
        mappings: vec![
            Mapping::new("order.v1.*", vec![MappingDestination::all("order.$1")])
                .expect("a valid mapping"),
        ],
        limits: AccountLimits {
            max_connections: Some(100),
            max_subscriptions: Some(1000),
            max_payload: Some(64 << 10),
            max_leafnodes: Some(0),
        },
        jetstream: Some(AccountJetStream {
            max_memory: Some(512 << 20),
            max_store: Some(10 << 30),
            max_streams: Some(10),
            max_consumers: Some(100),
            max_bytes_required: true,
            cluster_traffic: ClusterTraffic::System,
            ..AccountJetStream::default()
        }),
        msg_trace: Some(MessageTrace {
            dest: "trace.orders".to_owned(),
            sampling: 25,
        }),
    }
}

fn order_exports() -> Vec<Export> {
    let both = vec!["BILLING".to_owned(), "SYS".to_owned()];
    vec![
        stream("orders.*.new", Access::Public),
        stream("audit.*", Access::Accounts(both)),
        Export::Service(service("price.*", Access::TokenPosition(2))),
        Export::Service(ServiceExport {
            response_type: ResponseType::Stream,
            response_threshold: Duration::from_secs(5),
            ..service("stock.>", Access::Public)
        }),
        Export::Service(ServiceExport {
            latency: latency(10, "latency.orders"),
            allow_trace: true,
            ..service("order.place", Access::Public)
        }),
        Export::Service(ServiceExport {
            latency: latency(100, "latency.cancel"),
            ..service("order.cancel", Access::Public)
        }),
    ]
}

fn billing() -> Account {
    let stream = |subject: &str, to: &str, allow_trace| {
        Import::Stream(StreamImport {
            account: "ORDERS".to_owned(),
            subject: subject.to_owned(),
            to: to.to_owned(),
            allow_trace,
        })
    };
    let service = |subject: &str, to: &str, share| {
        Import::Service(ServiceImport {
            account: "ORDERS".to_owned(),
            subject: subject.to_owned(),
            to: to.to_owned(),
            share,
        })
    };
    Account {
        name: "BILLING".to_owned(),
        users: vec![user("billing", "b", None)],
        jetstream: Some(AccountJetStream::default()),
        imports: vec![
            stream("orders.*.new", "shop.orders.*.new", false),
            stream("audit.*", "log.$1", true),
            service("price.BILLING", "price", false),
            service("order.place", "order.place", true),
            service("stock.>", "stock.>", false),
        ],
        ..Account::default()
    }
}

#[test]
fn three_tenants() {
    check(
        "accounts.conf",
        include_str!("files/accounts.conf"),
        "sha256:587e391120a0cb975b0e29f32a95398ac461edfd980b888181b6787e548124eb",
        Options {
            accounts: vec![
                orders(),
                billing(),
                Account {
                    name: "SYS".to_owned(),
                    users: vec![user("admin", "s", None)],
                    ..Account::default()
                },
            ],
            system_account: Some("SYS".to_owned()),
            system_account_configured: true,
            no_auth_user: Some("billing".to_owned()),
            ..Options::default()
        },
    );
}

#[test]
fn a_service_decides_who_gets_in() {
    let account = |name: &str, users| Account {
        name: name.to_owned(),
        users,
        ..Account::default()
    };
    check(
        "callout.conf",
        include_str!("files/callout.conf"),
        "sha256:ce0ed7c2577458d2317eb892baeeac9bfbbd59b98c8e19348eba988cab6f5f93",
        Options {
            authorization: Authorization {
                credential: Credential::Users(vec![user("auth", "pwd", None)]),
                proxy_required: true,
                callout: Some(AuthCallout {
                    issuer: ACCOUNT.to_owned(),
                    account: "AUTH".to_owned(),
                    auth_users: vec!["auth".to_owned(), "callout".to_owned()],
                    xkey: Some(CURVE.to_owned()),
                    allowed_accounts: vec!["APP".to_owned()],
                }),
                is_configured: true,
                ..Authorization::default()
            },
            accounts: vec![
                account("AUTH", vec![user("callout", "pwd", None)]),
                account("APP", Vec::new()),
            ],
            trusted_proxies: vec![USER.to_owned()],
            proxy_protocol: true,
            ..Options::default()
        },
    );
}

#[test]
fn an_operator_with_a_full_resolver() {
    let loaded = loaded("operator.conf", include_str!("files/operator.conf"));
    let digest = "sha256:32abbdfe58fb61d3908003b407f24059ba649dab40fc11112beabff2ff2a86eb";
    assert_eq!(loaded.digest, digest);
    let Options {
        operator,
        system_account,
        ocsp,
        ocsp_cache,
        ..
    } = &loaded.options;
    let [only] = operator.operators.as_slice() else {
        panic!("{:?}", operator.operators)
    };
    assert_eq!(only.jwt, key("operator_sys_jwt"));
    assert_eq!(
        (only.key(), only.system_account()),
        (key("operator"), Some(ACCOUNT))
    );
    assert_eq!(only.claims.registered.name, "O");
    assert_eq!(system_account.as_deref(), Some(ACCOUNT));
    let resolver = FullResolver {
        dir: "jwt".to_owned(),
        delete: DeletePolicy::Rename,
        interval: Duration::from_secs(120),
        limit: Some(1000),
        timeout: Duration::from_millis(1500),
    };
    assert_eq!(operator.resolver, Some(Resolver::Full(resolver)));
    assert_eq!(operator.resolver_preload[ACCOUNT], key("account_jwt"));
    // The system account can always be used.
    let pinned: Vec<&str> = operator
        .resolver_pinned_accounts
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(pinned, [ACCOUNT2, ACCOUNT]);
    let tls = TlsOptions {
        insecure: true,
        timeout: Duration::from_secs(3),
        ..TlsOptions::default()
    };
    assert_eq!(operator.resolver_tls, Some(tls));
    let sentinel = operator.default_sentinel.as_ref().map(Secret::expose);
    assert_eq!(sentinel, Some(key("bearer_jwt")));
    assert!(!format!("{:?}", loaded.options).contains(key("bearer_jwt")));
    let stapling = OcspOptions {
        mode: OcspMode::Must,
        url: Some("http://127.0.0.1:8888".to_owned()),
    };
    assert_eq!(*ocsp, Some(stapling));
    let cache = OcspCacheOptions {
        kind: OcspCacheKind::Local,
        local_store: "rc".to_owned(),
        preserve_revoked: true,
        save_interval: Duration::from_secs(60),
    };
    assert_eq!(*ocsp_cache, Some(cache));
    assert!(loaded.options.requires_login() && operator.is_on());
}

#[test]
fn resolvers_have_short_forms() {
    let resolver = |value: &str| {
        let text = format!("operator: {}\n{value}", key("operator_url_jwt"));
        options(&text).operator.resolver
    };
    let url = |url: &str| Some(Resolver::Url(url.to_owned()));
    // The operator's own server, with the path that pushes to it add.
    assert_eq!(resolver(""), url("http://127.0.0.1:1/jwt/v1/accounts/"));
    for (value, expected) in [
        ("resolver: MEMORY", Some(Resolver::Memory)),
        ("resolver: \" mem \"", Some(Resolver::Memory)),
        ("resolver: \"URL(http://a/b)\"", url("http://a/b/")),
        ("resolver: URL(https://a/b/)", url("https://a/b/")),
        (
            "resolver: 'url( \"http://a:9090/jwt/\" )'",
            url("http://a:9090/jwt/"),
        ),
        // Not in memory, though the name has it inside.
        ("resolver: URL(http://members/)", url("http://members/")),
    ] {
        assert_eq!(resolver(value), expected, "{value}");
    }
    let cache = format!("resolver {{ type: cache, dir: d, limit: 0 }}\nsystem_account: {ACCOUNT}");
    let Some(Resolver::Cache(cache)) = resolver(&cache) else {
        panic!("no cache")
    };
    assert_eq!(
        (cache.limit, cache.ttl, cache.timeout),
        (1000, None, DEFAULT_FETCH_TIMEOUT)
    );
}

#[test]
fn whose_signature_counts() {
    let issuers = |text: &str| {
        let options = options(text);
        let issuers = options.operator.issuers().into_iter().map(str::to_owned);
        issuers.collect::<Vec<String>>()
    };
    let strict = format!("operator: {}\nresolver: MEMORY", key("operator_strict_jwt"));
    assert_eq!(issuers(&strict), [key("operator2")]);
    let own = format!("operator: {}\nresolver: MEMORY", key("operator_jwt"));
    assert_eq!(issuers(&own), [key("operator")]);
    let trusted = format!("trusted_keys: {}", key("operator2"));
    assert_eq!(issuers(&trusted), [key("operator2")]);
    assert_eq!(issuers(""), [""; 0]);
}

#[test]
fn who_has_to_log_in() {
    for (text, login, open) in [
        ("", false, false),
        ("accounts: [A]", false, false),
        ("accounts { A { users: [] } }", false, false),
        ("accounts { A { users: [{user: a}] } }", true, false),
        ("authorization { token: t }", true, false),
        ("authorization { users: [] , timeout: 1 }", false, false),
        ("accounts { \"$SYS\" { users: [{user: s}] } }", true, true),
        (
            "accounts { S { users: [{user: s}] } }\nsystem_account: S",
            true,
            true,
        ),
        ("accounts { S { users: [{user: s}] } }", true, false),
        (
            "accounts { S { users: [{user: s}] }, A {} }\nsystem_account: S",
            true,
            false,
        ),
        (
            "accounts { S { users: [{user: s}] } }\nsystem_account: S\nno_auth_user: s",
            true,
            false,
        ),
        (
            "accounts { S { users: [{user: s}] } }\nsystem_account: S\nauthorization {}",
            true,
            false,
        ),
    ] {
        let options = options(text);
        assert_eq!(options.requires_login(), login, "{text}");
        assert_eq!(options.opens_global_account(), open, "{text}");
    }
}

#[test]
fn plaintext_passwords_of_accounts_are_noticed() {
    let bcrypt = "$2a$11$eULOrZ7bNmlLpsF5oHTiS.R3oVBjTXMc6b8xAqtGYGRTmUUCK.UMG";
    for (text, expected) in [
        (
            format!("accounts {{ A {{ users: [{{user: a, password: {bcrypt}}}] }} }}"),
            false,
        ),
        (
            "accounts { A { users: [{user: a, password: x}] } }".to_owned(),
            true,
        ),
        (
            format!("accounts {{ A {{ users: [{{nkey: {USER}}}] }} }}"),
            false,
        ),
    ] {
        assert_eq!(options(&text).has_plaintext_passwords(), expected, "{text}");
    }
}

/// Options that a program has put together are checked like those of a file.
#[test]
fn accounts_are_checked_without_a_file() {
    let mut broken = options(include_str!("files/accounts.conf"));
    assert_eq!(broken.validate(), Ok(()));
    broken.accounts.remove(0);
    let problems = broken
        .validate()
        .expect_err("an import has lost its exporter");
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(
        problems[0]
            .starts_with("account \"BILLING\": \"ORDERS\" account not defined for stream import: ")
    );
}

/// A mistake is pointed at, and the nearest name is offered.
#[test]
fn findings_about_accounts_have_their_place() {
    let text = "accounts {\n  ORDERS { exports: [ { stream: a } ] }\n  BILLING { imports: [\n    \
                { stream: { account: ORDRES, subject: a } }\n  ] }\n}";
    let source = MemorySource::new().with_file("f", text);
    let error = load_with("f", &source, Missing::Accept).expect_err("a mistyped name");
    assert_eq!(
        error.to_string(),
        "f:4:5: \"ORDRES\" account not defined for stream import\n  |\n4 |     { stream: { \
         account: ORDRES, subject: a } }\n  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  = \
         hint: did you mean \"ORDERS\"?"
    );
}

/// Each part of a large set-up is looked at once or a few times.
#[test]
fn a_thousand_accounts_load() {
    let accounts: String = (0..1000)
        .map(|n| {
            let users: String = (0..20).map(|u| format!("{{user: u{n}_{u}, password: p}}, ")).collect();
            let before = n - i32::from(n > 0);
            let import = if n > 0 {
                format!("{{stream {{account: A{before}, subject: \"s.{before}.>\"}}}}")
            } else {
                String::new()
            };
            format!(
                "A{n} {{ users: [{users}], exports: [{{stream: \"s.{n}.>\"}}], imports: [{import}] }}\n"
            )
        })
        .collect();
    let options = options(&format!("accounts {{\n{accounts}}}"));
    assert_eq!(options.users().count(), 20_000);
}
