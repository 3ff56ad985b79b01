//! Keys and values that are no text, made readable: numbers packed behind one another, what a schema
//! registry's serializers write, or whatever a program of the user's knows.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use strandline::record::FetchedRecord;

use crate::exit::{Failure, Result};
use crate::global::Global;

/// What `--decode` says of keys or values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    is_key: bool,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Pack(Pack),
    /// A zero, the number of a schema, the rest.
    Confluent,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Rule, String> {
        let (is_key, form) = of_keys_or_values(text)?;
        let form = match form {
            "confluent" => Form::Confluent,
            form => Form::Pack(form.parse()?),
        };
        Ok(Rule { is_key, form })
    }
}

/// Which program reads keys or values: `value='prog args'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    is_key: bool,
    words: Vec<String>,
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Program, String> {
        let (is_key, line) = of_keys_or_values(text)?;
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Err(format!("`{text}`: a program is wanted: value='prog args'"));
        }
        Ok(Program { is_key, words })
    }
}

fn of_keys_or_values(text: &str) -> std::result::Result<(bool, &str), String> {
    match text.split_once('=') {
        Some(("key", form)) => Ok((true, form)),
        Some(("value", form)) => Ok((false, form)),
        _ => Err(format!("`{text}`: key=… or value=… is wanted")),
    }
}

/// Numbers and text behind one another: a letter each, as `kcat` has them, or one type by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pack {
    items: Vec<Item>,
    /// Whether nothing may follow.
    to_the_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Integer {
        bytes: usize,
        signed: bool,
        little: bool,
    },
    Float {
        bytes: usize,
        little: bool,
    },
    Character,
    /// All that is left, as text.
    Rest,
}

impl FromStr for Pack {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Pack, String> {
        if let Some(item) = named(text) {
            return Ok(Pack { items: vec![item], to_the_end: true });
        }
        let (mut items, mut little, mut to_the_end) = (Vec::new(), false, false);
        for letter in text.chars() {
            if to_the_end || items.last() == Some(&Item::Rest) && letter != '$' {
                return Err(format!("`{text}`: nothing can follow s or $"));
            }
            let integer = |bytes, signed| Item::Integer { bytes, signed, little };
            items.push(match letter {
                ' ' => continue,
                '<' => {
                    little = true;
                    continue;
                }
                '>' => {
                    little = false;
                    continue;
                }
                '$' => {
                    to_the_end = true;
                    continue;
                }
                'b' => integer(1, true),
                'B' => integer(1, false),
                'h' => integer(2, true),
                'H' => integer(2, false),
                'i' => integer(4, true),
                'I' => integer(4, false),
                'q' => integer(8, true),
                'Q' => integer(8, false),
                'f' => Item::Float { bytes: 4, little },
                'd' => Item::Float { bytes: 8, little },
                'c' => Item::Character,
                's' => Item::Rest,
                _ => return Err(wrong(text)),
            });
        }
        if items.is_empty() {
            return Err(wrong(text));
        }
        Ok(Pack { items, to_the_end })
    }
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}`: a type is wanted (u8, i16le, u32be, i64be, f64be, utf8), `confluent`, or letters: \
         < little-endian, > big-endian, b B h H i I q Q integers of 1, 2, 4, 8 bytes (capitals \
         unsigned), f d floats, c a character, s the rest, $ the end"
    )
}

/// A type by name.
fn named(text: &str) -> Option<Item> {
    if text == "utf8" {
        return Some(Item::Rest);
    }
    let (rest, little) = match (text.strip_suffix("le"), text.strip_suffix("be")) {
        (Some(rest), _) => (rest, true),
        (_, rest) => (rest.unwrap_or(text), false),
    };
    let (kind, bits) = rest.split_at_checked(1)?;
    let bytes = match bits {
        "8" => 1,
        "16" => 2,
        "32" => 4,
        "64" => 8,
        _ => return None,
    };
    match kind {
        "u" => Some(Item::Integer { bytes, signed: false, little }),
        "i" => Some(Item::Integer { bytes, signed: true, little }),
        "f" if bytes >= 4 => Some(Item::Float { bytes, little }),
        _ => None,
    }
}

impl Pack {
    /// Appends the items with spaces between; `None` if the bytes are not so.
    fn read(&self, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut rest = bytes;
        for (number, item) in self.items.iter().enumerate() {
            if number > 0 {
                out.push(b' ');
            }
            item.read(&mut rest, out)?;
        }
        (rest.is_empty() || !self.to_the_end).then_some(())
    }
}

impl Item {
    fn read(self, rest: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Item::Integer { bytes, signed, little } => {
                let raw = raw(rest, bytes, little)?;
                let unused = 64 - 8 * bytes as u32;
                // Writing to a vector cannot fail.
                let _ = if signed {
                    write!(out, "{}", (raw << unused).cast_signed() >> unused)
                } else {
                    write!(out, "{raw}")
                };
            }
            Item::Float { bytes: 4, little } => {
                let _ = write!(out, "{}", f32::from_bits(raw(rest, 4, little)? as u32));
            }
            Item::Float { bytes, little } => {
                let _ = write!(out, "{}", f64::from_bits(raw(rest, bytes, little)?));
            }
            Item::Character => {
                let (&byte, behind) = rest.split_first()?;
                out.push(byte);
                *rest = behind;
            }
            Item::Rest => out.extend_from_slice(std::mem::take(rest)),
        }
        Some(())
    }
}

/// So many bytes as a number.
fn raw(rest: &mut &[u8], len: usize, little: bool) -> Option<u64> {
    let (bytes, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    Some(if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
}

/// A key or value as it is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: Option<&'a [u8]>,
    /// Whether it was made of what lies there.
    pub(crate) decoded: bool,
    /// The schema that it names.
    pub(crate) schema: Option<i32>,
}

impl<'a> From<Option<&'a [u8]>> for Text<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Text<'a> {
        Text { bytes, ..Text::default() }
    }
}

/// Decodes keys and values as the command line asks for it.
pub(crate) struct Decoder {
    key: Side,
    value: Side,
}

#[derive(Default)]
struct Side {
    form: Option<Form>,
    program: Option<Running>,
    made: Vec<u8>,
}

impl Decoder {
    /// What the options ask for; none if they ask for nothing. Programs are started.
    ///
    /// # Errors
    ///
    /// Usage, if keys or values are to be decoded twice; environment, if a program does not start.
    pub(crate) fn new(global: &Global) -> Result<Option<Decoder>> {
        let (rules, programs) = (&global.decode, &global.decode_cmd);
        if rules.is_empty() && programs.is_empty() {
            return Ok(None);
        }
        let (mut key, mut value) = (Side::default(), Side::default());
        let twice = || Failure::usage("keys and values can be decoded in one way at a time");
        for rule in rules {
            let side = if rule.is_key { &mut key } else { &mut value };
            if side.form.replace(rule.form.clone()).is_some() {
                return Err(twice());
            }
        }
        for program in programs {
            let side = if program.is_key { &mut key } else { &mut value };
            if side.form.is_some() || side.program.is_some() {
                return Err(twice());
            }
            side.program = Some(Running::start(&program.words, global.max_inflated())?);
        }
        Ok(Some(Decoder { key, value }))
    }

    /// The key and the value of a record, decoded; what cannot be stays as it is.
    ///
    /// # Errors
    ///
    /// Environment, if a program ended, or answers as it should not.
    pub(crate) fn record<'b>(
        &'b mut self,
        record: &FetchedRecord<'b>,
    ) -> Result<(Text<'b>, Text<'b>)> {
        Ok((self.key.decode(record.key())?, self.value.decode(record.value())?))
    }
}

impl Side {
    fn decode<'b>(&'b mut self, bytes: Option<&'b [u8]>) -> Result<Text<'b>> {
        let Some(raw) = bytes else { return Ok(Text::default()) };
        self.made.clear();
        if let Some(program) = &mut self.program {
            let is_read = program.ask(raw, &mut self.made)?;
            let made = Text { bytes: Some(&self.made), decoded: true, schema: None };
            return Ok(if is_read { made } else { bytes.into() });
        }
        Ok(match &self.form {
            Some(Form::Pack(pack)) if pack.read(raw, &mut self.made).is_some() => {
                Text { bytes: Some(&self.made), decoded: true, schema: None }
            }
            Some(Form::Confluent) => match raw {
                [0, a, b, c, d, rest @ ..] => {
                    let schema = Some(i32::from_be_bytes([*a, *b, *c, *d]));
                    Text { bytes: Some(rest), decoded: true, schema }
                }
                _ => bytes.into(),
            },
            _ => bytes.into(),
        })
    }
}

/// A program that is given values and gives them back in words, each behind its length in four bytes,
/// big-endian. The length −1 says that it cannot read one.
struct Running {
    name: String,
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    most: usize,
}

impl Running {
    fn start(words: &[String], most: usize) -> Result<Running> {
        let name = crate::output::escape::one_line(&words.join(" "));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = |why: &str| Failure::environment(format!("cannot start `{name}`: {why}"));
        let mut child = command.spawn().map_err(|error| failed(&crate::exit::why(&error)))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Running { name, child, to, from, most }),
            _ => Err(failed("it has no pipes")),
        }
    }

    /// Asks for one value; says whether the program could read it.
    fn ask(&mut self, raw: &[u8], made: &mut Vec<u8>) -> Result<bool> {
        let answer = self.talk(raw, made);
        answer.map_err(|error| {
            let name = &self.name;
            let why = match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
                    "it ended before it had answered".to_owned()
                }
                _ => crate::exit::why(&error),
            };
            Failure::environment(format!("`{name}`, which decodes, failed: {why}"))
        })
    }

    fn talk(&mut self, raw: &[u8], made: &mut Vec<u8>) -> io::Result<bool> {
        let len = i32::try_from(raw.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.to.write_all(&len.to_be_bytes())?;
        self.to.write_all(raw)?;
        self.to.flush()?;
        let mut len = [0; 4];
        self.from.read_exact(&mut len)?;
        let Ok(len) = usize::try_from(i32::from_be_bytes(len)) else { return Ok(false) };
        if len > self.most {
            return Err(io::Error::other("it says that its answer is larger than --max-inflated"));
        }
        let read = (&mut self.from).take(len as u64).read_to_end(made)?;
        if read < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(true) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may wait for more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        form.parse::<Pack>().unwrap().read(bytes, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn packed_numbers_are_read_letter_by_letter_or_as_one_type() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            read(">Iqs$", b"\0\0\0\x07\xff\xff\xff\xff\xff\xff\xff\xfeabc"),
            some("7 -2 abc")
        );
        assert_eq!(read("<h", b"\xfe\xff"), some("-2"));
        assert_eq!(read("<H>H", b"\x01\0\0\x01"), some("1 1"));
        assert_eq!(read("u32be", b"\xff\xff\xff\xff"), some("4294967295"));
        assert_eq!(read("i64le", b"\xff\xff\xff\xff\xff\xff\xff\xff"), some("-1"));
        assert_eq!(read("f64be", &1.5_f64.to_be_bytes()), some("1.5"));
        assert_eq!(read("cb", b"A\x80"), some("A -128"));
        for (form, bytes) in [("i$", &[0; 5][..]), ("u32be", &[0; 5]), ("q", &[0; 7]), ("c", b"")] {
            assert_eq!(read(form, bytes), None, "{form}");
        }
        for wrong in ["", "x", "si", "u24be", "f8", "$i", "é"] {
            assert!(wrong.parse::<Pack>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_schema_s_number_stands_before_the_rest() {
        let mut side = Side { form: Some(Form::Confluent), ..Side::default() };
        let text = side.decode(Some(b"\0\0\0\x01\x02{}")).unwrap();
        assert_eq!((text.bytes, text.schema), (Some(&b"{}"[..]), Some(258)));
        let text = side.decode(Some(b"{}")).unwrap();
        assert_eq!((text.bytes, text.schema, text.decoded), (Some(&b"{}"[..]), None, false));
        assert_eq!(side.decode(None).unwrap().bytes, None);
    }
}
