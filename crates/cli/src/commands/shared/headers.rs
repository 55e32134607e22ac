//! Headers on the command line: `-H Key:Value`, any number of them.

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// Reads `Key:Value` pairs; the value may be empty and is trimmed.
pub(crate) fn parse(pairs: &[String]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in pairs {
        let wrong = || {
            Error::new(format!("invalid header {pair:?}")).hint("A header is written Key:Value.")
        };
        let (key, value) = pair.split_once(':').ok_or_else(wrong)?;
        add(&mut headers, key.trim(), value.trim()).map_err(|_| wrong())?;
    }
    Ok(headers)
}

/// Adds a header, checked.
pub(crate) fn add(headers: &mut HeaderMap, key: &str, value: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new("a header has a name"));
    }
    let name: HeaderName = key.parse()?;
    let value: HeaderValue = value.parse()?;
    headers.append(name, value);
    Ok(())
}

/// All headers as key and value, sorted by key.
pub(crate) fn sorted(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().flat_map(|(name, values)| {
        values
            .iter()
            .map(move |value| (name.to_string(), value.as_str().to_owned()))
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        let given = ["b:1".to_owned(), "a: x:y ".to_owned(), "b:2".to_owned()];
        let headers = parse(&given)
            .map(|headers| sorted(&headers))
            .expect("they parse");
        let expected =
            [("a", "x:y"), ("b", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(headers, expected);
        assert!(parse(&["nothing".to_owned()]).is_err());
        assert!(parse(&[":v".to_owned()]).is_err());
    }
}
