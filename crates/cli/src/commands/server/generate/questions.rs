//! The questions of each template.

/// A question: its key, its text, the answer if there is no other, and when it is asked.
pub(super) type Question = (&'static str, &'static str, &'static str, When);

/// When a question is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// If the answer to `jetstream`, which comes before, was yes.
    JetStream,
}

use When::{Always, JetStream};

pub(super) const OPERATOR: &[Question] = &[
    (
        "server_name",
        "Unique name for this server",
        "nats.example.net",
        Always,
    ),
    ("address", "Address to listen on", "0.0.0.0", Always),
    (
        "port",
        "The port to listen on for client connections",
        "4222",
        Always,
    ),
    (
        "monitor_port",
        "Port to listen on for monitoring requests, 0 for none",
        "8222",
        Always,
    ),
    ("jetstream", "Enable JetStream", "true", Always),
    (
        "store_dir",
        "Directory to store JetStream data",
        "/var/lib/nats/jetstream",
        JetStream,
    ),
    (
        "max_mem",
        "Maximum amount of RAM that can be used by JetStream",
        "-1",
        JetStream,
    ),
    (
        "max_file",
        "Maximum amount of disk storage that can be used by JetStream",
        "-1",
        JetStream,
    ),
    (
        "resolver_dir",
        "The directory to store JWTs in",
        "/var/lib/nats/resolver",
        Always,
    ),
    (
        "allow_delete",
        "Should the server allow accounts to be deleted",
        "true",
        Always,
    ),
    (
        "limit",
        "The maximum amount of accounts to allow",
        "1000",
        Always,
    ),
];

pub(super) const KUBERNETES: &[Question] = &[
    ("replicas", "How many server pods to start", "3", Always),
    ("jetstream", "Enable JetStream", "true", Always),
    (
        "storage",
        "The size of the volume that is claimed for JetStream, such as 10Gi",
        "10Gi",
        JetStream,
    ),
];

pub(super) const DOCKER: &[Question] = &[
    ("data", "The directory to store data in", "./data", Always),
    (
        "domain",
        "The DNS domain to use for the network",
        "nats.internal",
        Always,
    ),
    ("image", "The docker image to use", "nats:latest", Always),
    ("clusters", "The number of clusters to create", "3", Always),
    (
        "members",
        "The number of servers to create per cluster",
        "3",
        Always,
    ),
    (
        "port",
        "The port used by the first server in the first cluster",
        "10000",
        Always,
    ),
    (
        "password",
        "Password of the users of the accounts",
        "s3cret",
        Always,
    ),
    ("jetstream", "Enable JetStream", "true", Always),
    (
        "mount",
        "A directory to mount into the containers, as SOURCE:TARGET",
        "",
        Always,
    ),
];

pub(super) const LEAFNODE: &[Question] = &[
    (
        "port",
        "The port to listen on for client connections",
        "4222",
        Always,
    ),
    (
        "monitor_port",
        "Port to listen on for monitoring requests, 0 for none",
        "0",
        Always,
    ),
    ("jetstream", "Enable JetStream", "false", Always),
    (
        "store_dir",
        "Directory to write JetStream data",
        "data",
        JetStream,
    ),
    (
        "domain",
        "The JetStream Domain for the Leafnode",
        "LEAF",
        JetStream,
    ),
    (
        "credentials",
        "Path to the Synadia Cloud credential file",
        "ngs.creds",
        Always,
    ),
];
