"""Guesses what an event type means by its words, in a few languages."""

from __future__ import annotations

import re

_CART = "(cart|basket|korb|panier|carrito|trolley)"
_PRODUCT = "(product|item|artikel|produkt|produit)"
_LOOK = "(view|show|open|visit|display|ansicht|anzeig)"
_OUT = "(remov|delet|entfern|supprim|retir)"
_DONE = "(complet|success|finish|confirm|abgeschlossen)"
# The first pattern that is found decides. Without a role: lists, and what follows an order.
_ROLES = [
    (None, r"wish|favou?rit|list|refund|cancel|return|histor|status|track"),
    ("remove", f"{_OUT}.*({_CART}|{_PRODUCT})|({_CART}|{_PRODUCT}).*{_OUT}"),
    (None, f"{_LOOK}.*{_CART}|{_CART}.*{_LOOK}"),
    ("checkout", "checkout.*step"),
    ("buy", f"(checkout|payment|kasse).*{_DONE}"),
    ("checkout", "checkout|payment|billing|shipping|kasse|zahlung|paiement"),
    ("search", "search|suche|recherche|buscar"),
    ("cart", f"{_CART}|{_PRODUCT}.*(add|hinzu|ajout)|(add|ajout).*{_PRODUCT}"),
    ("buy", "purchase|(?<![a-z])order|transaction|bestell|kauf|achat|commande|compra"),
    ("view", f"{_PRODUCT}|detail"),
    ("page", "page|screen|seite|ecran"),
    ("view", "view"),
]


def guessed_role(event_type: str) -> str | None:
    """The role of an event type, as the var event_roles names it; None if its words say nothing."""
    word = event_type.casefold()
    return next((role for role, pattern in _ROLES if re.search(pattern, word)), None)
