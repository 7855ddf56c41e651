//! Packets that no debugger sends: the corpus, and mutations of it.

use crate::replay::check_packets;

/// How many mutations are tried; the seed is always the same.
const MUTATIONS: usize = 600;

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/packets");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("is listed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read(path).expect("can be read")).collect()
}

#[test]
fn the_corpus_is_survived() {
    corpus().iter().for_each(|input| check_packets(input));
}

#[test]
fn mutations_of_the_corpus_are_survived() {
    let corpus = corpus();
    let lines: Vec<&[u8]> =
        corpus.iter().flat_map(|input| input.split(|byte| *byte == b'\n')).collect();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..MUTATIONS {
        let mut input = b"vAttach;10\n".to_vec();
        for _ in 0..random.usize(1..20) {
            let mut line = random.choice(&lines).expect("there are lines").to_vec();
            for _ in 0..random.usize(0..3) {
                mutate(&mut line, &mut random);
            }
            input.extend(line);
            input.push(b'\n');
        }
        check_packets(&input);
    }
}

fn mutate(line: &mut Vec<u8>, random: &mut fastrand::Rng) {
    let at = random.usize(..=line.len());
    match random.u8(..5) {
        0 => line.truncate(at),
        1 => line.insert(at, random.u8(..)),
        2 => line.insert(at, *random.choice(b":;,.p-f0".iter()).expect("is not empty")),
        3 => line.extend_from_within(at..),
        _ => {
            if let Some(byte) = line.get_mut(at) {
                *byte = random.u8(..);
            }
        }
    }
}
