//! A Rust program with generics, a trait object and a closure on its stack.

use std::fmt::Display;

trait Greet {
    fn greet(&self, name: &str) -> usize;
}

struct Polite<T> {
    title: T,
}

impl<T: Display> Greet for Polite<T> {
    #[inline(never)]
    fn greet(&self, name: &str) -> usize {
        let text = format!("good day, {} {name}", self.title);
        println!("{text}");
        text.len()
    }
}

#[inline(never)]
fn everybody(greeters: &[Box<dyn Greet>], each: impl Fn(&dyn Greet) -> usize) -> usize {
    greeters.iter().map(|greeter| each(greeter.as_ref())).sum()
}

fn main() {
    let greeters: Vec<Box<dyn Greet>> =
        vec![Box::new(Polite { title: "Dr" }), Box::new(Polite { title: 7 })];
    let total = everybody(&greeters, |greeter| greeter.greet("Noether"));
    std::process::exit(i32::try_from(total).unwrap_or(1));
}
