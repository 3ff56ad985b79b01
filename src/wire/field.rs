//! A big-endian integer at a fixed place: the way every fixed layout of this crate is written down.

use std::marker::PhantomData;

use byteorder::{BigEndian, ByteOrder};

/// An integer of type `T` that starts at a fixed byte. Offsets are derived: each field starts
/// where the one before ends ([`Field::then`]), so a layout is a list and no place is typed twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<T> {
    start: usize,
    kind: PhantomData<T>,
}

/// An integer that has a big-endian form of a fixed width.
pub(crate) trait Integer: Copy {
    /// Bytes that it takes.
    const WIDTH: usize;
    /// Reads it from the start of `bytes`, which holds at least [`Integer::WIDTH`] bytes.
    fn read(bytes: &[u8]) -> Self;
    /// Writes it to the start of `bytes`, which holds at least [`Integer::WIDTH`] bytes.
    fn write(self, bytes: &mut [u8]);
}

macro_rules! integer {
    ($type:ty, $width:literal, $read:expr, $write:expr) => {
        impl Integer for $type {
            const WIDTH: usize = $width;
            #[inline]
            fn read(bytes: &[u8]) -> Self {
                $read(bytes)
            }
            #[inline]
            fn write(self, bytes: &mut [u8]) {
                $write(bytes, self);
            }
        }
    };
}

integer!(i8, 1, |b: &[u8]| b[0] as i8, |b: &mut [u8], v: i8| b[0] = v as u8);
integer!(u8, 1, |b: &[u8]| b[0], |b: &mut [u8], v: u8| b[0] = v);
integer!(i16, 2, BigEndian::read_i16, BigEndian::write_i16);
integer!(u16, 2, BigEndian::read_u16, BigEndian::write_u16);
integer!(i32, 4, BigEndian::read_i32, BigEndian::write_i32);
integer!(u32, 4, BigEndian::read_u32, BigEndian::write_u32);
integer!(i64, 8, BigEndian::read_i64, BigEndian::write_i64);
integer!(u64, 8, BigEndian::read_u64, BigEndian::write_u64);

impl<T: Integer> Field<T> {
    /// The field that starts at byte `start`.
    pub(crate) const fn at(start: usize) -> Self {
        Field { start, kind: PhantomData }
    }

    /// The field that follows this one.
    pub(crate) const fn then<U: Integer>(self) -> Field<U> {
        Field::at(self.end())
    }

    /// Its first byte.
    pub(crate) const fn start(self) -> usize {
        self.start
    }

    /// The byte behind its last.
    pub(crate) const fn end(self) -> usize {
        self.start + T::WIDTH
    }

    /// Its value in `layout`.
    ///
    /// # Panics
    ///
    /// If `layout` ends before the field does: a layout's length is checked before its fields are
    /// read, once.
    #[inline]
    pub(crate) fn get(self, layout: &[u8]) -> T {
        T::read(&layout[self.start..self.end()])
    }

    /// Sets it in `layout`. Panics as [`Field::get`] does.
    #[inline]
    pub(crate) fn set(self, layout: &mut [u8], value: T) {
        value.write(&mut layout[self.start..self.end()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Field<i64> = Field::at(0);
    const B: Field<i16> = A.then();
    const C: Field<u32> = B.then();

    #[test]
    fn each_field_starts_where_the_one_before_ends() {
        assert_eq!((A.start(), B.start(), C.start(), C.end()), (0, 8, 10, 14));
    }

    #[test]
    fn what_is_set_is_read_back_big_endian() {
        let mut layout = [0; 14];
        A.set(&mut layout, -2);
        B.set(&mut layout, 0x0102);
        C.set(&mut layout, 0xdead_beef);
        assert_eq!(layout[7..14], [0xfe, 1, 2, 0xde, 0xad, 0xbe, 0xef]);
        assert_eq!((A.get(&layout), B.get(&layout), C.get(&layout)), (-2, 0x0102, 0xdead_beef));
    }
}
