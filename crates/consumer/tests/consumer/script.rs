//! Runs scripts: lines at the margin are done, indented lines are what must come of it.

use cognate_consumer::{Removal, Turn};
use cognate_model::Timestamp;

use crate::world::{START, World, text};

/// Runs a script against a consumer of this configuration and compares the whole outcome.
#[track_caller]
pub(crate) fn check(config: &str, script: &str) {
    let mut world = World::new(config);
    check_in(&mut world, script);
}

#[track_caller]
pub(crate) fn check_in(world: &mut World, script: &str) {
    let mut actual = String::new();
    let mut expected = String::new();
    for line in script.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let is_outcome = trimmed.starts_with('>');
        expected.push_str(&format!(
            "{}{trimmed}\n",
            if is_outcome { "    " } else { "" }
        ));
        if is_outcome {
            continue;
        }
        actual.push_str(trimmed);
        actual.push('\n');
        run(world, trimmed);
        world.poll();
        for line in world.host.lines.drain(..) {
            actual.push_str(&format!("    > {line}\n"));
        }
    }
    assert!(
        actual == expected,
        "expected:\n{expected}\nactual:\n{actual}"
    );
}

// tidy: long-function: a table of the commands of scripts
fn run(world: &mut World, line: &str) {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let number = || first.parse::<u64>().expect("a number");
    match command {
        "pub" => match second.split_once('|') {
            Some((header, payload)) => {
                let headers = format!("NATS/1.0\r\n{header}\r\n\r\n");
                world.publish(first, &headers, payload);
            }
            None => world.publish(first, "", second),
        },
        "store" => {
            // Stored, but not to be seen yet.
            let before = world.config.clone();
            world.config.filter_subject = "nothing".to_owned();
            world.publish(first, "", second);
            world.config = before;
        }
        "see" => world.consumer.note_stored(number()),
        "pull" => world.pull(first, second),
        "ack" => {
            let (body, reply) = second.split_once('@').unwrap_or((second, ""));
            world.ack(number(), body.trim_end(), reply);
        }
        "at" => world.advance(first.parse().expect("a number")),
        "rm" => world.remove(number(), number(), Removal::Deleted),
        "purge" => world.remove(1, number(), Removal::Purged),
        "deaf" => {
            world.host.deaf.insert(first.into());
        }
        "hear" => {
            world.host.deaf.remove(first.as_bytes());
            world.consumer.handle_interest(true, world.now);
        }
        "info" => {
            let line = world.info();
            world.host.lines.push(line);
        }
        "create" => world.create(),
        "keep" => world.keep(),
        "restart" => world.restart(),
        "pause" => {
            let until = Timestamp(START + first.parse::<i64>().expect("a number") * 1_000_000);
            world.turn(|consumer, turn| consumer.pause(Some(until), turn.now, turn.host));
        }
        "reset" => {
            let (config, sequence) = (world.config.clone(), number());
            let outcome = world.turn(|consumer, turn| consumer.reset(&config, sequence, turn));
            let outcome = outcome.map_or_else(|error| error.to_string(), |next| next.to_string());
            world.host.lines.push(format!("reset: {outcome}"));
        }
        "end" => {
            let code = rest.as_bytes();
            world.turn(|consumer, turn| consumer.end_pulls(code, turn.host));
        }
        "unpin" => {
            world.turn(|consumer, turn| consumer.unpin(turn.host));
        }
        "flow" => answer(world, first),
        "buried" => {
            let sequence = number();
            world.turn(|consumer, turn| consumer.handle_dead_letter_stored(sequence, turn.host));
        }
        "letters" => {
            world.turn(|consumer, turn: &mut Turn<'_, _, _>| consumer.offer_dead_letters(turn))
        }
        "update" => {
            let (config, _) = cognate_model::json::decode(rest.as_bytes()).expect("a config");
            world.config = config;
            let config = world.config.clone();
            world.turn(|consumer, turn| consumer.update(&config, turn));
        }
        other => panic!("no such command: {other}"),
    }
}

fn answer(world: &mut World, token: &str) {
    let (token, headers) = token.split_once('|').unwrap_or((token, ""));
    let headers = headers.replace('_', " ").replace('|', "\r\n");
    let headers = format!("NATS/1.0\r\n{headers}\r\n\r\n");
    let token = text(token.as_bytes());
    world.turn(|consumer, turn| {
        consumer.handle_flow_control(token.as_bytes(), headers.as_bytes(), turn.now, turn.host);
    });
}
