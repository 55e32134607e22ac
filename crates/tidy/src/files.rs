//! The files of the repository: Rust sources with what the rules ask of them, and plain texts.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::items::test_items;
use crate::mask::mask;

/// What a Rust file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of a library or a binary.
    Product,
    /// Compiled for tests only.
    Test,
    /// An example or a benchmark.
    Example,
}

/// A Rust source file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path from the root of the repository, with `/`.
    pub path: String,
    /// What it is for.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// Its text with comments and literals blanked out.
    pub masked: String,
    /// Items of it that exist in test builds only, in bytes.
    tests: Vec<Range<usize>>,
}

impl SourceFile {
    /// The file at `path` (from the root, with `/`), as far as path and text tell. Whether another
    /// file declares it to be for tests only, [`sources`] finds out.
    pub fn new(path: &str, text: &str) -> Self {
        let masked = mask(text);
        let is_in =
            |directory: &str| path.contains(&format!("/{directory}/")) && !path.contains("/src/");
        let kind = match () {
            () if is_in("tests") => Kind::Test,
            () if is_in("examples") || is_in("benches") => Kind::Example,
            () => Kind::Product,
        };
        let tests = test_items(&masked);
        SourceFile {
            path: path.to_owned(),
            kind,
            text: text.to_owned(),
            masked,
            tests,
        }
    }

    /// The name of the crate below `crates/`, if it is in one.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether the byte at `offset` is compiled for tests only.
    pub fn is_test_at(&self, offset: usize) -> bool {
        self.kind == Kind::Test || self.tests.iter().any(|span| span.contains(&offset))
    }

    /// Whether the byte at `offset` ends up in a library or a binary.
    pub fn is_product_at(&self, offset: usize) -> bool {
        self.kind == Kind::Product && !self.is_test_at(offset)
    }

    /// The line of a byte, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        self.text[..offset]
            .bytes()
            .filter(|&byte| byte == b'\n')
            .count()
            + 1
    }

    /// `path:line` of a byte.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path, self.line_of(offset))
    }

    /// The reason given for an exception from `rule` at `offset`: a comment
    /// `// tidy: <rule>: <reason>` on its line or directly above, among comments and attributes.
    pub fn exception(&self, rule: &str, offset: usize) -> Option<&str> {
        let start = self.text[..offset]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let own = self.text[start..].lines().next();
        let above = self.text[..start].lines().rev();
        let above = above.take_while(|line| line.trim_start().starts_with(['/', '#']));
        own.into_iter().chain(above).find_map(|line| {
            let (_, marker) = line.split_once("// tidy: ")?;
            let reason = marker.strip_prefix(rule)?.strip_prefix(": ")?.trim();
            Some(reason).filter(|reason| reason.split_whitespace().count() >= 4)
        })
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .expect("this crate is two levels below the root")
}

/// The text of a file of the repository.
///
/// # Panics
/// If the file cannot be read.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust sources, in the order of their paths.
///
/// # Panics
/// If a file or directory cannot be read.
pub fn sources() -> Vec<SourceFile> {
    let mut files: Vec<_> = paths(&["rs"])
        .into_iter()
        .map(|path| SourceFile::new(&path, &read(&path)))
        .collect();
    let modules: Vec<String> = files.iter().flat_map(test_modules).collect();
    for file in &mut files {
        let stem = file.path.trim_end_matches(".rs");
        let in_module = |module: &String| {
            stem.strip_prefix(module.as_str())
                .is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        if modules.iter().any(in_module) {
            file.kind = Kind::Test;
        }
    }
    files
}

/// Path and text of every file with one of these extensions.
///
/// # Panics
/// If a file or directory cannot be read.
pub fn texts(extensions: &[&str]) -> Vec<(String, String)> {
    paths(extensions)
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// Path stems of the files that `file` declares as modules for tests only.
fn test_modules(file: &SourceFile) -> Vec<String> {
    let stem = file.path.trim_end_matches(".rs");
    let is_root = ["mod", "lib", "main"]
        .iter()
        .any(|name| stem.ends_with(&format!("/{name}")));
    let directory = if is_root {
        stem.rsplit_once('/').map_or("", |(d, _)| d)
    } else {
        stem
    };
    let name = |span: &Range<usize>| {
        let item = file.masked[span.clone()].trim_end_matches(';');
        let (_, name) = item.rsplit_once("mod ")?;
        Some(name.trim()).filter(|name| !name.contains(|c: char| !c.is_alphanumeric() && c != '_'))
    };
    file.tests
        .iter()
        .filter_map(name)
        .map(|name| format!("{directory}/{name}"))
        .collect()
}

fn paths(extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root().to_path_buf()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for entry in entries {
            let path = entry.expect("a directory can be read to its end").path();
            if path.is_dir() && !path.is_symlink() {
                if !is_foreign(&path) {
                    directories.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|e| extensions.iter().any(|x| e == *x))
            {
                found.push(relative(&path));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root()).expect("below the root").into();
    relative.to_string_lossy().replace('\\', "/")
}

/// Directories of what is built, downloaded, found by fuzzing or hidden.
fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let built = [
        "target",
        "node_modules",
        "corpus",
        "artifacts",
        "bin",
        "obj",
        "__pycache__",
    ];
    // The sources of a crate's own binaries are ours: src/bin.
    let is_source = path.parent().is_some_and(|parent| parent.ends_with("src"));
    name.starts_with('.') || (built.contains(&&*name) && !is_source)
}
