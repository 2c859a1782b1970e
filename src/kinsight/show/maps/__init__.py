"""How good maps are: localization, correspondence and faithfulness as text, as a sentence, and as a page of pictures."""
