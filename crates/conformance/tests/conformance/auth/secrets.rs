//! Secrets stay secret: not in monitoring, not in the log, however verbose.

use cognate_conformance::Server;

const PATHS: [&str; 6] = [
    "/varz",
    "/connz?auth=1&subs=detail&state=any",
    "/subsz?subs=1",
    "/healthz",
    "/debug/vars",
    "/",
];

fn assert_hidden(server: &Server, secret: &str) {
    for path in PATHS {
        let body = server.get(path).body;
        assert!(!body.contains(secret), "{path} tells {secret}: {body}");
    }
    let log = server.log();
    assert!(!log.contains(secret), "the log tells {secret}: {log}");
}

#[test]
fn passwords_and_tokens_are_never_shown() {
    let server = Server::builder()
        .monitored()
        .args(&["-DV"])
        .config("authorization { users: [ {user: bob, password: \"hidden-password\"} ] }")
        .start();
    let mut client = server.connect();
    client
        .send("CONNECT {\"user\":\"bob\",\"pass\":\"hidden-password\",\"verbose\":false}\r\n")
        .sync();
    let mut failing = server.connect();
    failing.send(
        "CONNECT {\"user\":\"bob\",\"pass\":\"hidden-guess\",\"auth_token\":\"hidden-token\"}\r\n",
    );
    failing.rest();
    server.wait_log("authentication error");
    server.wait_log("[CONNECT {");
    for secret in ["hidden-password", "hidden-guess", "hidden-token"] {
        assert_hidden(&server, secret);
    }
}

#[test]
fn command_line_secrets_are_never_shown() {
    let server = Server::builder()
        .monitored()
        .args(&["-DV", "--auth", "hidden-token"])
        .start();
    let mut client = server.connect();
    client
        .send("CONNECT {\"auth_token\":\"hidden-token\",\"verbose\":false}\r\n")
        .sync();
    assert_hidden(&server, "hidden-token");
    let server = Server::builder()
        .monitored()
        .args(&["-DV", "--user=bob", "--pass=hidden-password"])
        .start();
    let mut client = server.connect();
    client
        .send("CONNECT {\"user\":\"bob\",\"pass\":\"hidden-password\",\"verbose\":false}\r\n")
        .sync();
    assert_hidden(&server, "hidden-password");
}
