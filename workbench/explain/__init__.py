"""Attribution on pairs of a dense and a compressed network."""
