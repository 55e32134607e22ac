//! Paths of included files.
//!
//! An include is relative to the directory of the file that includes it, even when it begins with
//! a slash (config.md §1). Lexical only: nothing is looked up.

/// The path of `include` as written in the file at `from`.
pub(super) fn join_include(from: &str, include: &str) -> String {
    let directory = from.rfind('/').map_or("", |slash| &from[..=slash]);
    clean(&format!("{directory}/{include}"), directory.is_empty())
}

/// Removes `.`, `..` and doubled slashes. `relative` says that the leading slash is an artefact.
fn clean(path: &str, relative: bool) -> String {
    let rooted = !relative && path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if rooted { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::join_include;

    #[test]
    fn includes_are_joined_to_the_directory_of_the_including_file() {
        for (from, include, want) in [
            ("nats.conf", "auth.conf", "auth.conf"),
            ("nats.conf", "./a/auth.conf", "a/auth.conf"),
            ("/etc/nats.conf", "auth.conf", "/etc/auth.conf"),
            ("/etc/nats/nats.conf", "../auth.conf", "/etc/auth.conf"),
            ("/etc/nats.conf", "/abs.conf", "/etc/abs.conf"),
            ("/nats.conf", "../../a", "/a"),
            ("conf/nats.conf", "../../a", "../a"),
            ("nats.conf", "/abs.conf", "abs.conf"),
        ] {
            assert_eq!(join_include(from, include), want, "{from} + {include}");
        }
    }
}
