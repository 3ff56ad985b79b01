//! What the golden files' JSON needs: base64, SHA-256, and getting at fields by name.

use serde_json::Value;

/// The bytes that standard, padded base64 stands for.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0u32;
    let mut have = 0;
    for &digit in text.trim_end_matches('=').as_bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{:?} is no base64 digit", digit as char),
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have) as u8);
        }
    }
    bytes
}

/// The SHA-256 of `bytes` in lower-case hex, as FIPS 180-4 defines it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if bytes.len() % 64 >= 56 {
        padded.resize(padded.len() + 64, 0);
    }
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());

    let mut hash: [u32; 8] = roots(f64::sqrt);
    let rounds: [u32; 64] = roots(f64::cbrt);
    for block in padded.chunks_exact(64) {
        mix(&mut hash, &rounds, block);
    }
    hash.map(|word| format!("{word:08x}")).concat()
}

/// The first 32 bits of the fractional parts of the first `N` primes' roots.
fn roots<const N: usize>(root: fn(f64) -> f64) -> [u32; N] {
    let mut primes = (2u32..).filter(|n| (2..*n).all(|d| n % d != 0));
    std::array::from_fn(|_| {
        (root(f64::from(primes.next().unwrap())).fract() * 2f64.powi(32)) as u32
    })
}

fn mix(hash: &mut [u32; 8], rounds: &[u32; 64], block: &[u8]) {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes(bytes.try_into().unwrap());
    }
    for i in 16..64 {
        let low = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
        let high = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16].wrapping_add(low).wrapping_add(w[i - 7]).wrapping_add(high);
    }
    let mut h = *hash;
    for (word, round) in w.iter().zip(rounds) {
        let high = h[4].rotate_right(6) ^ h[4].rotate_right(11) ^ h[4].rotate_right(25);
        let choice = h[4] & h[5] ^ !h[4] & h[6];
        let first = [high, choice, *round, *word].into_iter().fold(h[7], u32::wrapping_add);
        let low = h[0].rotate_right(2) ^ h[0].rotate_right(13) ^ h[0].rotate_right(22);
        let majority = h[0] & h[1] ^ h[0] & h[2] ^ h[1] & h[2];
        h.rotate_right(1);
        h[4] = h[4].wrapping_add(first);
        h[0] = first.wrapping_add(low).wrapping_add(majority);
    }
    for (sum, word) in hash.iter_mut().zip(h) {
        *sum = sum.wrapping_add(word);
    }
}

/// Fields of a JSON object that must be there; a panic names the one that is not.
pub(crate) trait Fields {
    fn field(&self, name: &str) -> &Value;
    fn number(&self, name: &str) -> i64;
    fn text(&self, name: &str) -> &str;
    fn flag(&self, name: &str) -> bool;
    fn list(&self, name: &str) -> &[Value];
    /// `None` if absent or null.
    fn maybe_number(&self, name: &str) -> Option<i64>;
    /// `None` if null; base64 otherwise.
    fn bytes(&self, name: &str) -> Option<Vec<u8>>;
}

impl Fields for Value {
    fn field(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("no {name} in {self}"))
    }

    fn number(&self, name: &str) -> i64 {
        self.field(name).as_i64().unwrap_or_else(|| panic!("{name} is no number in {self}"))
    }

    fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_else(|| panic!("{name} is no text in {self}"))
    }

    fn flag(&self, name: &str) -> bool {
        self.field(name).as_bool().unwrap_or_else(|| panic!("{name} is no flag in {self}"))
    }

    fn list(&self, name: &str) -> &[Value] {
        self.field(name).as_array().unwrap_or_else(|| panic!("{name} is no list in {self}"))
    }

    fn maybe_number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.field(name) {
            Value::Null => None,
            _ => Some(base64(self.text(name))),
        }
    }
}
