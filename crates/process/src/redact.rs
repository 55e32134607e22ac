//! Hiding secrets in what the server shows of its own command line and of URLs.
//!
//! Most of it is pure and for views such as `/debug/vars` and for log lines. [`hide_arguments`] alone
//! touches the process: it overwrites what `ps` and `/proc/<pid>/cmdline` show, which NATS's own
//! server leaves as it is. Secrets still belong into the configuration file: between the start of the
//! process and its first steps everybody can read them.

/// What stands for a secret.
pub const REDACTED: &str = "[REDACTED]";

/// Flags whose value is a secret.
const SECRET_FLAGS: [&str; 3] = ["user", "pass", "auth"];
/// Flags whose value is a URL, or several separated by commas.
const URL_FLAGS: [&str; 3] = ["routes", "cluster", "cluster_listen"];

/// The arguments with the values of `--user`, `--pass` and `--auth` replaced, and with the user
/// part of every URL. One or two dashes, `--flag value` and `--flag=value` are understood.
pub fn redacted_args(args: &[String]) -> Vec<String> {
    let mut shown = Vec::with_capacity(args.len());
    let mut previous = Flag::Other;
    for arg in args {
        let (flag, value) = Flag::of(arg);
        let text = match (previous, flag, value) {
            (_, Flag::Secret, Some((name, _))) => format!("{name}={REDACTED}"),
            (_, Flag::Urls, Some((name, urls))) => format!("{name}={}", without_users(urls)),
            // The value of the flag before, even if it looks like a flag itself.
            (Flag::Secret, _, _) => REDACTED.to_owned(),
            (Flag::Urls, _, _) => without_users(arg),
            _ if arg.contains("://") => without_users(arg),
            _ => arg.clone(),
        };
        // A value that was consumed does not announce another one.
        let is_value = previous != Flag::Other;
        previous = if value.is_none() && !is_value {
            flag
        } else {
            Flag::Other
        };
        shown.push(text);
    }
    shown
}

/// Overwrites the secrets among this process's arguments with `x`, where the system shows them to
/// everybody. Best effort: does nothing where there is no `/proc`. To be called once the arguments
/// have been read, by the program's own `main`.
pub fn hide_arguments() {
    crate::memory::overwrite_arguments(masked);
}

/// The arguments as one block, each ended by a zero byte, with `x` over every byte of a secret.
fn masked(block: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(block.len());
    let mut in_secret = false;
    for arg in block.split_inclusive(|byte| *byte == 0) {
        let text = arg.strip_suffix(&[0]).unwrap_or(arg);
        let shown = String::from_utf8_lossy(text);
        let (flag, value) = Flag::of(&shown);
        let urls = || user_part(&shown).unwrap_or((0, 0));
        let (start, end) = match (in_secret, flag, value) {
            (true, _, _) => (0, text.len()),
            (_, Flag::Secret, Some((name, _))) => (name.len() + 1, text.len()),
            _ if shown.len() == text.len() => urls(),
            _ => (0, 0),
        };
        in_secret = !in_secret && flag == Flag::Secret && value.is_none();
        let hidden = |(at, byte): (usize, &u8)| {
            if (start..end).contains(&at) {
                b'x'
            } else {
                *byte
            }
        };
        masked.extend(text.iter().enumerate().map(hidden));
        masked.extend_from_slice(&arg[text.len()..]);
    }
    masked
}

/// A URL for a log line: its password, if it has one, is shown as `xxxxx`.
pub fn redacted_url(url: &str) -> String {
    let Some((start, end)) = user_part(url) else {
        return url.to_owned();
    };
    let (head, user, tail) = (&url[..start], &url[start..end], &url[end..]);
    match user.split_once(':') {
        Some((name, _)) => format!("{head}{name}:xxxxx{tail}"),
        None => url.to_owned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Secret,
    Urls,
    Other,
}

impl Flag {
    /// The kind of flag `arg` is, with its name and value if it is `--name=value`.
    fn of(arg: &str) -> (Flag, Option<(&str, &str)>) {
        let value = arg.split_once('=');
        let dashed = value.map_or(arg, |(name, _)| name);
        let name = dashed
            .strip_prefix("--")
            .or_else(|| dashed.strip_prefix('-'));
        let flag = match name {
            Some(name) if SECRET_FLAGS.contains(&name) => Flag::Secret,
            Some(name) if URL_FLAGS.contains(&name) => Flag::Urls,
            _ => Flag::Other,
        };
        (flag, value)
    }
}

fn without_users(urls: &str) -> String {
    let shown: Vec<String> = urls
        .split(',')
        .map(|url| match user_part(url) {
            Some((start, end)) => format!("{}{REDACTED}{}", &url[..start], &url[end..]),
            None => url.to_owned(),
        })
        .collect();
    shown.join(",")
}

/// The byte range of `user:password` in a URL. It ends at the last `@`: rather too much is hidden
/// than the rest of a password that holds one.
fn user_part(url: &str) -> Option<(usize, usize)> {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url.rfind('@').filter(|end| *end >= start)?;
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &str, expected: &str) {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        assert_eq!(redacted_args(&args).join(" "), expected);
    }

    #[test]
    fn secrets_are_hidden_in_every_spelling() {
        check(
            "x --pass s --auth=t -user u",
            "x --pass [REDACTED] --auth=[REDACTED] -user [REDACTED]",
        );
        check("x -pass=a=b -p 4222", "x -pass=[REDACTED] -p 4222");
        check("x --pass --auth y", "x --pass [REDACTED] y");
        check("x --pass", "x --pass");
        check("x --passive s --name pass", "x --passive s --name pass");
        check("x --pass=", "x --pass=[REDACTED]");
    }

    #[test]
    fn the_block_of_arguments_keeps_its_form() {
        let check = |block: &str, expected: &str| {
            let masked = masked(block.replace(' ', "\0").as_bytes());
            let shown = String::from_utf8(masked).expect("still text");
            assert_eq!(shown.replace('\0', " "), expected);
        };
        check(
            "x --pass s --auth=tt -user u ",
            "x --pass x --auth=xx -user x ",
        );
        check("x -pass=a=b -p 4222 ", "x -pass=xxx -p 4222 ");
        check("x --pass --auth y ", "x --pass xxxxxx y ");
        check("x --routes nats://u:p@a:1 ", "x --routes nats://xxx@a:1 ");
        check("x -c /etc/nats.conf", "x -c /etc/nats.conf");
        check("", "");
        assert_eq!(masked(b"--pass\0\xff\xfe\0"), b"--pass\0xx\0");
    }

    #[test]
    fn urls_lose_their_user_part() {
        check(
            "x --routes nats://u:p@a:1,nats://b:2,nats://t@c:3",
            "x --routes nats://[REDACTED]@a:1,nats://b:2,nats://[REDACTED]@c:3",
        );
        check(
            "x --cluster=nats://u:p@h:-1",
            "x --cluster=nats://[REDACTED]@h:-1",
        );
        check(
            "x -cluster_listen nats://u:p@s@h:1",
            "x -cluster_listen nats://[REDACTED]@h:1",
        );
        check("x --routes u:p@h:1", "x --routes [REDACTED]@h:1");
        check(
            "x --other=nats://u:p@h:1",
            "x --other=nats://[REDACTED]@h:1",
        );
        check("x -c /etc/me@home.conf", "x -c /etc/me@home.conf");
    }

    #[test]
    fn a_logged_url_keeps_the_user_but_not_the_password() {
        let check = |url: &str, expected: &str| assert_eq!(redacted_url(url), expected);
        check("nats://u:p@h:4222", "nats://u:xxxxx@h:4222");
        check("nats://u:p@q@h:4222/x", "nats://u:xxxxx@h:4222/x");
        check("nats://u@h:4222", "nats://u@h:4222");
        check("nats://h:4222", "nats://h:4222");
        check("", "");
        check("@", "@");
    }
}
