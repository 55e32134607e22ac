//! The configuration file and the command line.
//!
//! The first byte chooses a frame around the text, which has sections separated by lines of `----`:
//! the file, an included `b.conf`, the environment variable `ENV`, and arguments, one per line.
//!
//! Checks: never panics and stays within memory; what loads is consistent with itself, has a digest,
//! reloads into itself and means the same with a comment behind it; findings are bounded, have
//! their place in the file and a first line that is complete; a password that stands in the file
//! before or beside a mistake is in no finding, no `Debug` and no reload message.
#![no_main]

use cognate_config::flags::{Command, parse_args};
use cognate_config::reload::diff;
use cognate_config::{ConfigError, Diagnostic, Loaded, MemorySource, Missing, Options, load_with};
use cognate_fuzz::{choose, sections, settings};
use libfuzzer_sys::fuzz_target;

/// Longer texts only make every step slower.
const MAX_TEXT: usize = 16 * 1024;

/// The password in the frames; it occurs nowhere else.
const SECRET: &str = "zq7Kzq7K";

fuzz_target!(|data: &[u8]| {
    let Some(([frame], text)) = settings(&data[..data.len().min(MAX_TEXT)]) else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    // A text that itself spells the secret, or hands it on as a variable, tells nothing.
    if ["zq7K", "$pass", "$token", "$auth"]
        .iter()
        .any(|part| text.contains(part))
    {
        return;
    }
    let mut parts = sections(&text);
    let mut part = || parts.next().unwrap_or_default();
    let (main, included, env, arguments) = (part(), part(), part(), part());
    let before = choose(
        *frame,
        [
            "",
            "authorization { user: u, password: zq7Kzq7K }\n",
            "authorization { users: [{user: u, password: \"zq7Kzq7K\"}] } ",
            "authorization { token: 'zq7Kzq7K', ",
            "authorization: {\"user\": \"u\", \"password\": \"\\\"zq7Kzq7K\", ",
        ],
    );
    file(&format!("{before}{main}"), included, env);
    command_line(arguments);
});

fn source(main: &str, included: &str, env: &str) -> MemorySource {
    MemorySource::new()
        .with_file("a.conf", main)
        .with_file("b.conf", included)
        .with_env("ENV", env)
}

fn file(main: &str, included: &str, env: &str) {
    let files = source(main, included, env);
    let loaded = match load_with("a.conf", &files, Missing::Accept) {
        Ok(loaded) => loaded,
        Err(error) => return check_error(&error, main, included),
    };
    let Loaded {
        options,
        digest,
        warnings,
    } = &loaded;
    let hex = digest.strip_prefix("sha256:").expect("the digest's name");
    assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(options.validate(), Ok(()));
    warnings
        .iter()
        .for_each(|warning| check_finding(warning, main, included));
    assert!(!format!("{options:?}").contains(SECRET));
    // TLS files are always read again; nothing else changed.
    let changes = diff(options, options).expect("nothing refuses to stay the same");
    assert!(
        changes.iter().all(|change| change.key.contains("tls")),
        "{changes:?}"
    );
    match diff(&Options::default(), options) {
        Ok(changes) => assert!(!format!("{changes:?}").contains(SECRET)),
        Err(refused) => assert!(!format!("{refused}{refused:?}").contains(SECRET)),
    }
    let commented = source(&format!("{main}\n# done\n"), included, env);
    match load_with("a.conf", &commented, Missing::Accept) {
        Ok(again) => assert_eq!(again.options, *options),
        // A last brace too many is passed over at the end of the file only.
        Err(_) if main.trim_end().ends_with('}') => {}
        Err(error) => panic!("a comment broke it: {error}"),
    }
}

fn check_error(error: &ConfigError, main: &str, included: &str) {
    let ConfigError {
        errors,
        warnings,
        is_syntax: _,
    } = error;
    assert!(!errors.is_empty() && errors.len() <= 101 && warnings.len() <= 400);
    for finding in errors.iter().chain(warnings) {
        check_finding(finding, main, included);
    }
    assert!(error.to_string().len() <= (errors.len() + warnings.len()) * 16 * 1024);
}

fn check_finding(finding: &Diagnostic, main: &str, included: &str) {
    let shown = finding.to_string();
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(!finding.message.is_empty() && finding.message.chars().count() <= 1001);
    let headline = finding.headline();
    assert!(
        shown.starts_with(&headline) && !headline.contains('\n'),
        "{headline:?}"
    );
    let others = [&finding.expected, &finding.hint];
    let one_line = |text: &String| !text.is_empty() && !text.contains('\n');
    assert!(others.into_iter().flatten().all(one_line), "{shown}");
    let text = if finding.file == "a.conf" {
        main
    } else {
        included
    };
    let lines = text.split('\n').count();
    assert!(
        finding.line as usize <= lines,
        "{headline} of {lines} lines"
    );
    assert_eq!(finding.line == 0, finding.column == 0);
}

fn command_line(arguments: &str) {
    let arguments: Vec<String> = arguments.split('\n').map(str::to_owned).collect();
    let flags = match parse_args(&arguments) {
        Ok(Command::Run(flags) | Command::TestConfig(flags)) => flags,
        Ok(_) => return,
        Err(error) => return assert!(!error.to_string().is_empty() && error.exit_status() <= 1),
    };
    let mut options = Options::default();
    match flags.apply(&mut options) {
        Ok(()) => {
            let broken = options.validate().err().unwrap_or_default();
            assert!(broken.iter().all(|sentence| !sentence.is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
