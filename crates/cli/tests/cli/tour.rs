//! The tour of the README, as a newcomer types it: every line works, and shows what is written there.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::World;

/// A line that is typed, and what it prints as far as the README tells.
struct Step {
    typed: String,
    told: String,
}

/// The steps under a heading that are about `nats`.
fn steps(readme: &str, heading: &str) -> Vec<Step> {
    let from = readme.split_once(heading).expect("the heading is there").1;
    let (section, _) = from.split_once("\n### ").expect("another follows");
    let block = section.split("```").nth(1).expect("a block of commands");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines().skip(1) {
        if let Some(typed) = line.strip_prefix("$ ") {
            let typed = typed.split("  #").next().unwrap_or(typed).trim_end();
            steps.push(Step {
                typed: typed.to_owned(),
                told: String::new(),
            });
        } else if let Some(step) = steps.last_mut().filter(|_| !line.is_empty()) {
            step.told.push_str(line);
            step.told.push('\n');
        }
    }
    steps.retain(|step| step.typed.starts_with("nats "));
    steps
}

/// A shell in which `nats` is the tool.
fn shell(world: &World, script: &str) -> Command {
    let tool = world.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(world.dir());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env(
        "PATH",
        format!("{}:{path}", world.dir().join("bin").display()),
    );
    shell.stdin(Stdio::null());
    shell
}

/// What goes on in the background until the test ends.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_tour_of_the_readme_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let steps = steps(&readme, "\n### With `nats`\n");
    assert!(steps.len() > 10, "the tour is shorter than it was");
    let world = World::new();
    world.file("README.md", readme.as_bytes());
    let bin = world.dir().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nats"), bin.join("nats")).expect("a link");
    let mut background = Vec::new();
    for Step { typed, told } in &steps {
        if let Some(typed) = typed.strip_suffix(" &") {
            let child = shell(&world, &format!("exec {typed}")).spawn();
            background.push(Background(child.expect("a shell")));
            let subject = typed.split(' ').nth(2).expect("a subject");
            world.wait_for_interest(subject, 1);
            continue;
        }
        let ended = shell(&world, typed).output().expect("a shell");
        assert!(ended.status.success(), "{typed}: {ended:?}");
        let shown = String::from_utf8_lossy(&ended.stdout);
        let is_told = shown.trim_end() == told.trim_end();
        assert!(told.is_empty() || is_told, "{typed}: {shown}");
    }
    assert_eq!(background.len(), 1, "one service goes on");
}
