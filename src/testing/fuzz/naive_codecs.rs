//! Second decoders of snappy and lz4, written from the formats' descriptions: a byte at a time,
//! nothing of the libraries in them. They compare no checksum.

/// Inflates what Kafka calls snappy. `None` if it is malformed, or more than `limit` come out.
pub(super) fn snappy(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    if input.len() < 16 || !input.starts_with(MAGIC) {
        return snappy_block(input, limit, out);
    }
    let mut rest = &input[16..];
    while rest.len() >= 4 {
        if rest.starts_with(&MAGIC[..4]) {
            if rest.len() < 16 {
                return None;
            }
            if !rest.starts_with(MAGIC) {
                return Some(());
            }
            rest = &rest[16..];
            continue;
        }
        let len = usize::try_from(i32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]])).ok()?;
        let (block, behind) = rest[4..].split_at_checked(len)?;
        snappy_block(block, limit, out)?;
        rest = behind;
    }
    Some(())
}

fn snappy_block(mut rest: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
    let len = rest.iter().take(5).position(|byte| *byte < 0x80)? + 1;
    let declared = rest[..len].iter().rev().fold(0_u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
    let start = out.len();
    let end = start.checked_add(usize::try_from(u32::try_from(declared).ok()?).ok()?)?;
    rest = &rest[len..];
    if end > limit {
        return None;
    }
    while let Some((&tag, behind)) = rest.split_first() {
        let (extra, high) = (usize::from(tag >> 2), usize::from(tag >> 5));
        let (argument_len, kind) = match (tag & 3, extra) {
            (0, 60..) => (extra - 59, 0),
            (0, _) => (0, 0),
            (1, _) => (1, 1),
            (2, _) => (2, 2),
            _ => (4, 3),
        };
        let (argument, behind) = behind.split_at_checked(argument_len)?;
        let argument = argument.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
        rest = behind;
        if kind == 0 {
            let len = if extra < 60 { extra + 1 } else { argument + 1 };
            let (literal, behind) = rest.split_at_checked(len)?;
            out.extend_from_slice(literal);
            rest = behind;
        } else {
            let (len, back) = if kind == 1 {
                ((extra & 7) + 4, high << 8 | argument)
            } else {
                (extra + 1, argument)
            };
            copy(out, start, back, len)?;
        }
        if out.len() > end {
            return None;
        }
    }
    (out.len() == end).then_some(())
}

/// Inflates an lz4 frame of independent blocks.
pub(super) fn lz4(input: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
    let (flags, sizes) = (*input.get(4)?, *input.get(5)?);
    if !input.starts_with(&[0x04, 0x22, 0x4d, 0x18]) || flags & 0xe3 != 0x60 || sizes & 0x8f != 0 {
        return None;
    }
    let code = Some(sizes >> 4).filter(|code| *code >= 4)?;
    let most = 1_usize << (8 + 2 * code);
    let mut rest = input.get(if flags & 8 == 0 { 7 } else { 15 }..)?;
    loop {
        let (size, behind) = rest.split_at_checked(4)?;
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
        let len = (size & 0x7fff_ffff) as usize;
        if len == 0 {
            return Some(());
        }
        let (block, behind) = behind.split_at_checked(len)?;
        rest = behind.get(if flags & 16 == 0 { 0 } else { 4 }..)?;
        let start = out.len();
        if size >> 31 == 1 {
            out.extend_from_slice(block);
        } else {
            lz4_block(block, limit, out)?;
        }
        if len > most || out.len() - start > most || out.len() > limit {
            return None;
        }
    }
}

fn lz4_block(mut rest: &[u8], limit: usize, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    loop {
        let (&token, behind) = rest.split_first()?;
        rest = behind;
        let literals = lz4_len(token >> 4, &mut rest)?;
        let (literal, behind) = rest.split_at_checked(literals)?;
        out.extend_from_slice(literal);
        rest = behind;
        if rest.is_empty() {
            return Some(());
        }
        let (back, behind) = rest.split_at_checked(2)?;
        rest = behind;
        let len = lz4_len(token & 15, &mut rest)? + 4;
        if out.len() + len > limit + (4 << 20) {
            return None;
        }
        copy(out, start, usize::from(u16::from_le_bytes([back[0], back[1]])), len)?;
    }
}

fn lz4_len(nibble: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut len = usize::from(nibble);
    if nibble == 15 {
        loop {
            let (&more, behind) = rest.split_first()?;
            *rest = behind;
            len += usize::from(more);
            if more < 255 {
                break;
            }
        }
    }
    Some(len)
}

/// Appends `len` bytes that stand `back` before the end, not before `start`; the end moves.
fn copy(out: &mut Vec<u8>, start: usize, back: usize, len: usize) -> Option<()> {
    if back == 0 || back > out.len() - start {
        return None;
    }
    for _ in 0..len {
        out.push(out[out.len() - back]);
    }
    Some(())
}
