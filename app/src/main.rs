fn main() {
    let t = std::time::Instant::now();
    match glasshouse::observe::inspect::inspect() {
        Ok(i) => {
            for p in &i.probes {
                println!("{p:?}");
            }
            for p in &i.programs {
                println!("{p:?}");
            }
        }
        Err(e) => println!("{e}"),
    }
    println!("{:?}", t.elapsed());
}
