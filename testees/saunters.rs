//! Code for steps by line in Rust: matches, iterators, generic functions, closures, `?`.

use std::fmt;

#[derive(Debug, Clone)]
enum Shape {
    Circle(f64),
    Square { side: f64 },
    Empty,
}

impl Shape {
    fn area(&self) -> f64 {
        match self {
            Shape::Circle(radius) => 3.0 * radius * radius,
            Shape::Square { side } => side * side,
            Shape::Empty => 0.0,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self)
    }
}

fn total<T: Into<f64> + Copy>(values: &[T]) -> f64 {
    let mut sum = 0.0;
    for value in values {
        sum += (*value).into();
    }
    sum
}

#[inline(never)]
fn risky(n: u32) -> Result<u32, String> {
    if n > 2 {
        return Err(format!("{n} is too much"));
    }
    Ok(n + 1)
}

#[inline(never)]
fn chain(n: u32) -> Result<u32, String> {
    let first = risky(n)?;
    let second = risky(first)?;
    Ok(first + second)
}

#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn walk() -> f64 {
    let shapes = vec![Shape::Circle(1.0), Shape::Square { side: 2.0 }, Shape::Empty];
    let mut sum = 0.0;
    for shape in &shapes {
        sum += shape.area();
    }
    let doubled: Vec<f64> = shapes.iter().map(|shape| shape.area() * 2.0).collect();
    sum += total(&doubled);
    sum += total(&[1u8, 2, 3]);
    let text = shapes[1].to_string();
    if let Ok(n) = chain(1) {
        sum += f64::from(n);
    }
    match chain(2) {
        Ok(n) => sum += f64::from(n),
        Err(text) => sum += text.len() as f64,
    }
    sum + text.len() as f64
}

fn main() {
    println!("{}", walk());
}
