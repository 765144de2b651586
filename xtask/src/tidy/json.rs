//! Just enough JSON to read what the suite lists.

use std::{iter::Peekable, str::Chars};

/// A value; numbers, booleans and null are kept as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Bare(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value and nothing behind it; `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut rest = text.chars().peekable();
        let value = value(&mut rest)?;
        blanks(&mut rest);
        rest.next().is_none().then_some(value)
    }

    /// The field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The values of a list; none of anything else.
    pub(super) fn list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }

    /// The text of a string or of a bare value.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Bare(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

type Rest<'t> = Peekable<Chars<'t>>;

fn blanks(rest: &mut Rest<'_>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

/// The next character that is not blank, if it is this one.
fn eat(rest: &mut Rest<'_>, wanted: char) -> Option<()> {
    blanks(rest);
    rest.next_if_eq(&wanted).map(drop)
}

fn value(rest: &mut Rest<'_>) -> Option<Json> {
    blanks(rest);
    match rest.peek()? {
        '"' => string(rest).map(Json::Text),
        '[' => items(rest, '[', ']', value).map(Json::List),
        '{' => {
            let field = |rest: &mut Rest<'_>| {
                blanks(rest);
                let name = string(rest)?;
                eat(rest, ':')?;
                Some((name, value(rest)?))
            };
            items(rest, '{', '}', field).map(Json::Object)
        }
        _ => {
            let mut bare = String::new();
            while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                bare.push(c);
            }
            (!bare.is_empty()).then_some(Json::Bare(bare))
        }
    }
}

fn items<T>(rest: &mut Rest<'_>, open: char, close: char, item: impl Fn(&mut Rest<'_>) -> Option<T>) -> Option<Vec<T>> {
    eat(rest, open)?;
    let mut items = Vec::new();
    if eat(rest, close).is_some() {
        return Some(items);
    }
    loop {
        items.push(item(rest)?);
        if eat(rest, ',').is_none() {
            return eat(rest, close).map(|()| items);
        }
    }
}

fn string(rest: &mut Rest<'_>) -> Option<String> {
    rest.next_if_eq(&'"')?;
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                c @ ('"' | '\\' | '/') => c,
                _ => return None,
            }),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_suite_prints_is_read() {
        let json = Json::read(" {\"a\": [ {\"b\": \"x \\\"y\\\" é\"}, 7 ],\n \"c\": [], \"d\": {} } ").unwrap();
        let a = json.get("a").unwrap().list();
        assert_eq!(a[0].get("b").unwrap().text(), Some("x \"y\" é"));
        assert_eq!(a[1].text(), Some("7"));
        assert!(json.get("c").unwrap().list().is_empty() && json.get("e").is_none());
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "{", "[1,]", "[1 2]", "{\"a\"}", "\"a", "\"\\u0041\"", "1 2", "{1: 2}"] {
            assert_eq!(Json::read(bad), None, "{bad}");
        }
    }
}
