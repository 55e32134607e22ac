//! Subjects as lists of words, compared word by word: nothing here is shared with the server.

/// Whether `filter` takes `subject`.
pub(crate) fn takes(filter: &str, subject: &str) -> bool {
    let (filter, subject): (Vec<&str>, Vec<&str>) = (words(filter), words(subject));
    for (at, word) in filter.iter().enumerate() {
        match (*word, subject.get(at)) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (word, Some(found)) if word == *found => {}
            _ => return false,
        }
    }
    filter.len() == subject.len()
}

/// Whether everything that `narrow` takes is taken by `wide` too.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow) = (words(wide), words(narrow));
    for (at, word) in wide.iter().enumerate() {
        match (*word, narrow.get(at)) {
            (">", Some(_)) => return true,
            ("*", Some(other)) if *other != ">" => {}
            (word, Some(other)) if word == *other => {}
            _ => return false,
        }
    }
    wide.len() == narrow.len()
}

/// Whether there is a subject that both take.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    for at in 0.. {
        match (one.get(at), other.get(at)) {
            (None, None) => return true,
            (Some(&">"), Some(_)) | (Some(_), Some(&">")) => return true,
            (Some(&a), Some(&b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
    unreachable!("both lists end")
}

/// What a subject under `from` is called under `to`, where `$1` is the first wildcard of `from` and
/// `>` its rest.
pub(crate) fn renamed(from: &str, to: &str, subject: &str) -> Option<String> {
    if !takes(from, subject) {
        return None;
    }
    let (from, subject) = (words(from), words(subject));
    let wild: Vec<&str> = from
        .iter()
        .zip(&subject)
        .filter(|(word, _)| **word == "*")
        .map(|(_, found)| *found)
        .collect();
    let mut out = Vec::new();
    for word in words(to) {
        match word.strip_prefix('$') {
            Some(number) => out.push(wild[number.parse::<usize>().ok()? - 1]),
            None if word == ">" => out.extend(&subject[from.len() - 1..]),
            None => out.push(word),
        }
    }
    Some(out.join("."))
}

/// The other way round: the subject under `from` that is called `local` under `to`.
pub(crate) fn original(from: &str, to: &str, local: &str) -> Option<String> {
    let pattern = words(to);
    let filter: Vec<&str> = pattern
        .iter()
        .map(|word| if word.starts_with('$') { "*" } else { word })
        .collect();
    if !takes(&filter.join("."), local) {
        return None;
    }
    let local = words(local);
    let mut wild = vec![""; pattern.len()];
    for (word, found) in pattern.iter().zip(&local) {
        if let Some(number) = word.strip_prefix('$') {
            wild[number.parse::<usize>().ok()? - 1] = found;
        }
    }
    let mut next = wild.iter();
    let mut out = Vec::new();
    for word in words(from) {
        match word {
            "*" => out.push(*next.next()?),
            ">" => out.extend(&local[pattern.len() - 1..]),
            word => out.push(word),
        }
    }
    Some(out.join("."))
}

fn words(text: &str) -> Vec<&str> {
    text.split('.').collect()
}
