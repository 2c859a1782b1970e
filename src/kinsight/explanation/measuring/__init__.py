"""How good maps are: localization, correspondence, faithfulness, groups."""
