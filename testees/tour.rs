//! A tour of what Rust has: generics, traits and their objects, enums with data, closures,
//! iterators, futures that are polled by hand, a panic that is caught. It does the same in every
//! run.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(i64),
    Operator(char),
    Group { inner: Vec<Token>, depth: u8 },
    End,
}

trait Area {
    fn area(&self) -> f64;
    fn doubled(&self) -> f64 {
        let once = self.area();
        once * 2.0
    }
}

struct Square {
    side: f32,
}

struct Circle(f64);

impl Area for Square {
    #[inline(never)]
    fn area(&self) -> f64 {
        let side = f64::from(self.side);
        black_box(side * side)
    }
}

impl Area for Circle {
    #[inline(never)]
    fn area(&self) -> f64 {
        let radius = self.0;
        black_box(3.0 * radius * radius)
    }
}

#[inline(never)]
fn largest<T: PartialOrd + Copy>(values: &[T]) -> Option<T> {
    let mut best = *values.first()?;
    for value in values {
        if *value > best {
            best = *value;
        }
    }
    black_box(Some(best))
}

#[inline(never)]
fn parsed(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut number: Option<i64> = None;
    for (index, letter) in text.char_indices() {
        match letter {
            '0'..='9' => {
                let digit = i64::from(letter as u32 - '0' as u32);
                number = Some(number.unwrap_or(0) * 10 + digit);
            }
            '+' | '*' => {
                tokens.extend(number.take().map(Token::Number));
                tokens.push(Token::Operator(letter));
            }
            ' ' => {}
            other => return Err(format!("{other} at {index}")),
        }
    }
    tokens.extend(number.take().map(Token::Number));
    tokens.push(Token::End);
    Ok(tokens)
}

#[inline(never)]
fn weighed(token: &Token, level: u32) -> i64 {
    let weight = match token {
        Token::Number(number) => number * 2,
        Token::Operator(sign) => i64::from(*sign as u32),
        Token::Group { inner, depth } => {
            let below: i64 = inner.iter().map(|token| weighed(token, level + 1)).sum();
            below + i64::from(*depth)
        }
        Token::End => -1,
    };
    black_box(weight + i64::from(level))
}

/// Ready when it was asked often enough.
struct Countdown {
    left: u32,
}

impl Future for Countdown {
    type Output = &'static str;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<&'static str> {
        let before = self.left;
        if before == 0 {
            return Poll::Ready("done");
        }
        self.left = black_box(before - 1);
        Poll::Pending
    }
}

async fn awaited(rounds: u32, names: &[&str]) -> usize {
    let mut total = 0;
    for (index, name) in names.iter().enumerate() {
        let word = Countdown { left: rounds }.await;
        let both = name.len() + word.len();
        total += black_box(both * (index + 1));
    }
    total
}

#[inline(never)]
fn polled<F: Future>(future: F) -> (F::Output, u32) {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, black_box(polls));
        }
    }
}

#[inline(never)]
fn applied(count: u8, step: impl Fn(i32) -> i32, last: &mut dyn FnMut(i32)) -> i32 {
    let mut value = 1;
    for _ in 0..count {
        value = step(value);
        last(value);
    }
    black_box(value)
}

#[inline(never)]
fn with_closures(factor: i32) -> i32 {
    let offset = factor * 7;
    let mut seen = [0i32; 4];
    let mut at = 0;
    let mut keep = |value: i32| {
        seen[at % 4] = value;
        at += 1;
    };
    let result = applied(3, |value| value * factor + offset, &mut keep);
    black_box(&seen);
    result + seen.iter().sum::<i32>()
}

#[inline(never)]
fn with_objects(shapes: &[Box<dyn Area>], shared: &Rc<(u16, bool)>) -> f64 {
    let mut total = 0.0;
    for shape in shapes {
        let area = shape.doubled();
        total += area;
    }
    let (width, is_set) = **shared;
    black_box(if is_set { total + f64::from(width) } else { total })
}

#[inline(never)]
fn fails(depth: u32, wide: u128) -> u128 {
    let half = wide / 2;
    if depth == 0 {
        panic!("at the bottom");
    }
    let below = fails(depth - 1, black_box(half));
    below + 1
}

#[inline(never)]
fn caught(depth: u32) -> bool {
    let outcome = std::panic::catch_unwind(|| fails(depth, 1 << 90));
    let failed = outcome.is_err();
    black_box(failed)
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let numbers = [3i32, 9, -4];
    let ratios = [0.5f64, -2.25];
    let biggest = (largest(&numbers), largest(&ratios), largest::<u8>(&[]));
    black_box(&biggest);
    let mut total = 0;
    for text in ["12+3", "7 * 80", "5-"] {
        match parsed(text) {
            Ok(tokens) => {
                let group = Token::Group { inner: tokens, depth: 3 };
                total += weighed(&group, 0);
            }
            Err(complaint) => total += complaint.len() as i64,
        }
    }
    let (length, polls) = polled(awaited(2, &["one", "three"]));
    total += length as i64 + i64::from(polls);
    total += i64::from(with_closures(2)) + i64::from(with_closures(-3));
    let shapes: Vec<Box<dyn Area>> = vec![Box::new(Square { side: 1.5 }), Box::new(Circle(2.0))];
    total += with_objects(&shapes, &Rc::new((7, true))) as i64;
    total += i64::from(caught(2));
    black_box(total);
}
