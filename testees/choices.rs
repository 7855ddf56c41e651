//! Variables of every kind that Rust has: enums with and without data, slices, text, tuples,
//! vectors, boxes, references, generics.

use std::hint::black_box;

#[derive(Clone, Copy, Debug)]
enum Colour {
    Red,
    Green = 7,
}

#[derive(Debug)]
enum Shape {
    Empty,
    Circle(f64),
    Rectangle { width: u32, height: i32 },
}

struct Pair<A, B> {
    first: A,
    second: B,
}

struct Metres(i64);

#[inline(never)]
fn looked_at(count: u32, name: &str, bytes: &[u8]) -> usize {
    let negative: i8 = -5;
    let byte: u8 = 200;
    let large: u128 = 1 << 100;
    let ratio = 2.5f32;
    let letter = 'x';
    let yes = true;
    let nothing = ();
    let colours = [Colour::Red, Colour::Green];
    let empty = Shape::Empty;
    let circle = Shape::Circle(1.5);
    let rectangle = Shape::Rectangle { width: 3, height: -4 };
    let some = Some(17u16);
    let none: Option<u16> = None;
    let niche = Some(&count);
    let no_niche: Option<&u32> = None;
    let result: Result<i32, String> = Err("wrong \"thing\"".to_string());
    let pair = Pair { first: 1i32, second: (2u8, "two") };
    let metres = Metres(-9);
    let text = String::from("some text");
    let numbers = vec![1i32, -2, 3];
    let slice = &numbers[1..];
    let boxed = Box::new(42i32);
    let total = black_box(count as usize + name.len() + bytes.len()); // BREAK: looked_at
    black_box((&negative, &byte, &large, &ratio, &letter, &yes, &nothing, &colours));
    black_box((&empty, &circle, &rectangle, &some, &none, &niche, &no_niche, &result));
    black_box((&pair.first, &pair.second, &metres.0, &text, &numbers, &slice, &boxed));
    if let Shape::Rectangle { width, height } = rectangle {
        return total + width as usize + height.unsigned_abs() as usize;
    }
    if let Shape::Circle(radius) = circle { radius as usize } else { total }
}

fn main() {
    let total = looked_at(3, "Noether", &[1, 2, 0xff]);
    println!("{total}");
}
