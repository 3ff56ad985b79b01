//! `.kafka_cleanshutdown`: its being there tells Kafka that every log was closed in order.
//!
//! It holds `{"version":0,"brokerEpoch":42}`, without a line end. Whatever it holds, the shutdown
//! was clean; brokers from before KIP-966 leave it empty. So there is nothing to refuse: what does not tell
//! the broker's epoch leaves it unknown.

/// The file's bytes; Kafka's −1 stands for a broker epoch that is not known.
pub(crate) fn encode(broker_epoch: Option<i64>) -> Vec<u8> {
    format!("{{\"version\":0,\"brokerEpoch\":{}}}", broker_epoch.unwrap_or(-1)).into_bytes()
}

/// The broker's epoch, if the file is one JSON object that says it. Other members are ignored.
pub(crate) fn broker_epoch(file: &[u8]) -> Option<i64> {
    let mut tokens = Tokens { rest: file };
    let (mut depth, mut epoch) = (0_usize, None);
    let (mut before, mut key) = (Token::End, None);
    loop {
        let token = tokens.next()?;
        match token {
            Token::End => return epoch.filter(|epoch| depth == 0 && *epoch >= 0),
            Token::Open => depth += 1,
            Token::Close => depth = depth.checked_sub(1)?,
            Token::Colon => key = if let Token::Text(text) = before { Some(text) } else { None },
            Token::Comma => key = None,
            Token::Word(word) if depth == 1 && key == Some(b"brokerEpoch") => {
                epoch = Some(std::str::from_utf8(word).ok()?.parse().ok()?);
            }
            Token::Word(_) | Token::Text(_) => {}
        }
        // Only `{` begins it, and nothing follows the `}` that ends it.
        let inside = depth > 0 || token == Token::Close && tokens.rest.trim_ascii().is_empty();
        if !inside {
            return None;
        }
        before = token;
    }
}

/// A piece of JSON; no more is told apart than this file needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Colon,
    Comma,
    /// What a string holds, with its escapes.
    Text(&'a [u8]),
    /// A number, `true`, `false` or `null`.
    Word(&'a [u8]),
    End,
}

struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// The next piece; none if there is none that JSON has.
    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.rest.trim_ascii_start();
        let Some((&first, behind)) = rest.split_first() else {
            self.rest = rest;
            return Some(Token::End);
        };
        let (token, rest) = match first {
            b'{' | b'[' => (Token::Open, behind),
            b'}' | b']' => (Token::Close, behind),
            b':' => (Token::Colon, behind),
            b',' => (Token::Comma, behind),
            b'"' => {
                let end = string_len(behind)?;
                (Token::Text(&behind[..end]), &behind[end + 1..])
            }
            _ => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let end = rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                (Token::Word(&rest[..end]), &rest[end..])
            }
        };
        self.rest = rest;
        Some(token)
    }
}

/// Bytes up to the quote that ends a string.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a broker wrote it.
    const FROM_KAFKA: &[u8] = br#"{"version":0,"brokerEpoch":325}"#;

    #[test]
    fn what_kafka_wrote_is_read_and_written_the_same() {
        assert_eq!(broker_epoch(FROM_KAFKA), Some(325));
        assert_eq!(encode(Some(325)), FROM_KAFKA);
        assert_eq!(encode(None), br#"{"version":0,"brokerEpoch":-1}"#);
        assert_eq!(broker_epoch(&encode(None)), None);
    }

    #[test]
    fn other_members_and_white_space_are_ignored() {
        let told = [
            r#" { "brokerEpoch" : 7 , "version" : 1 } "#,
            r#"{"a":{"brokerEpoch":1},"brokerEpoch":7,"b":["brokerEpoch",{"c":2}]}"#,
            r#"{"a\"":"brokerEpoch","b":":}","brokerEpoch":7}"#,
        ];
        for file in told {
            assert_eq!(broker_epoch(file.as_bytes()), Some(7), "{file}");
        }
    }

    #[test]
    fn what_does_not_say_the_epoch_leaves_it_unknown() {
        let unknown = [
            "",
            "{}",
            "7",
            "garbage",
            r#"{"version":0}"#,
            r#"{"brokerEpoch":"7"}"#,
            r#"{"brokerEpoch":7.5}"#,
            r#"{"brokerEpoch":99999999999999999999}"#,
            r#"{"brokerEpoch":7}}"#,
            r#"{"brokerEpoch":7}{"#,
            r#""brokerEpoch":7"#,
            r#"{"x":{"brokerEpoch":7}}"#,
        ];
        for file in unknown {
            assert_eq!(broker_epoch(file.as_bytes()), None, "{file}");
        }
        for cut in 0..FROM_KAFKA.len() {
            assert_eq!(broker_epoch(&FROM_KAFKA[..cut]), None, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(epoch in 0..i64::MAX) {
            prop_assert_eq!(broker_epoch(&encode(Some(epoch))), Some(epoch));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(raw: Vec<u8>, json in r#"[{}\[\]:,"\\7a ]{0,30}"#) {
            let _ = (broker_epoch(&raw), broker_epoch(json.as_bytes()));
        }
    }
}
