//! Variables and types of Rust, for comparison with gdb.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Debug)]
enum Shape {
    Circle { radius: f64 },
    Rectangle(u32, u32),
    Empty,
}

#[derive(Clone, Copy, PartialEq)]
#[repr(i8)]
enum Level {
    Low = -1,
    High = 1,
}

struct Pair<A, B> {
    first: A,
    second: B,
}

union Bits {
    number: u32,
    real: f32,
}

static GREETING: &str = "hello";
static COUNTER: AtomicU64 = AtomicU64::new(3);
const LIMIT: usize = 4;

trait Area {
    fn area(&self) -> f64;
}

impl Area for Shape {
    #[inline(never)]
    fn area(&self) -> f64 {
        match self {
            Shape::Circle { radius } => radius * radius * 3.0,
            Shape::Rectangle(width, height) => f64::from(width * height),
            Shape::Empty => 0.0,
        }
    }
}

#[inline(never)]
fn slices(bytes: &mut [u8], text: &str, numbers: &[i32; 3]) -> usize {
    let total: i32 = numbers.iter().sum();
    let length = bytes.len() + text.len();
    for byte in bytes.iter_mut() {
        *byte = byte.wrapping_add(total as u8);
        black_box(&byte);
    }
    let length = length * 2;
    black_box(length)
}

#[inline(never)]
fn options(maybe: Option<Box<i32>>, result: Result<u16, String>, level: Level) -> i64 {
    let boxed = maybe.as_ref().map_or(0, |inner| **inner);
    let code = match &result {
        Ok(code) => i64::from(*code),
        Err(text) => text.len() as i64,
    };
    black_box(&maybe);
    let bonus = if level == Level::High { 10 } else { -10 };
    code + i64::from(boxed) + bonus
}

#[inline(never)]
fn generic<A: Copy + Into<f64>, B: Clone>(pair: &Pair<A, B>) -> f64 {
    let number: f64 = pair.first.into();
    let second = pair.second.clone();
    black_box(&second);
    number + 1.0
}

#[inline(never)]
fn closures(base: u64) -> u64 {
    let offset = base + 1;
    let mut calls = 0u8;
    let mut add = |value: u64| {
        calls += 1;
        let sum = value + offset;
        black_box(sum)
    };
    let first = add(2);
    let second = add(first);
    second + u64::from(calls)
}

#[inline(never)]
fn wide(number: u128, character: char, tuple: (u8, i64, bool), unit: ()) -> u128 {
    let shifted = number << 2;
    let bits = Bits { number: 0x3f80_0000 };
    black_box((&bits, character, tuple, unit));
    shifted + u128::from(tuple.0)
}

#[inline(never)]
fn recurse(depth: u32, shapes: &[Shape]) -> f64 {
    let area: f64 = shapes.iter().map(|shape| shape.area()).sum();
    if depth == 0 {
        return area;
    }
    let rest = recurse(depth - 1, &shapes[1.min(shapes.len())..]);
    black_box(rest) + area
}

fn main() {
    let shapes = vec![Shape::Circle { radius: 1.5 }, Shape::Rectangle(2, 3), Shape::Empty];
    let mut bytes = [1u8, 2, 3, 4];
    let total = slices(&mut bytes, GREETING, &[1, 2, 3]);
    let mut map = HashMap::new();
    map.insert("key", LIMIT);
    let dynamic: Box<dyn Area> = Box::new(shapes[0].clone());
    let sum = options(Some(Box::new(5)), Ok(7), Level::High)
        + options(None, Err("no".to_owned()), Level::Low);
    let real = generic(&Pair { first: 2.5f32, second: String::from("second") })
        + generic(&Pair { first: 3i32, second: [1u8; 3] })
        + dynamic.area()
        + recurse(2, &shapes);
    let wide = wide(1 << 100, 'ä', (1, -2, true), ());
    COUNTER.fetch_add(closures(3), Ordering::Relaxed);
    let counter = COUNTER.load(Ordering::Relaxed);
    println!("{total} {sum} {real} {wide} {counter} {}", map.len());
}
