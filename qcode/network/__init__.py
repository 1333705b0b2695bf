"""What leaves this machine: kept in where that is wanted (`guard`), written down (`ledger`)."""
