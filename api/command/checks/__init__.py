"""What `vera doctor` looks at: one function per thing, each says what was found and what to do."""
